"""Brings records into line with what drivers see: takes no input, looks at everything, may be run at any time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from pileus.domain.compute.instances import VM_STATES, Status
from pileus.drivers.driver import Compute, Seen
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.tasks.repeating import repeat

LOG = logging.getLogger(__name__)
EVERY = 5.0
"""Seconds."""


async def keep_reconciled(
    db: Database, driver: Compute, now: Callable[[], int], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Reconcile again and again, until cancelled; a failure is not the last try."""
    await repeat(partial(reconcile, db, driver, now), EVERY, sleep, LOG, "Reconciling failed")


async def reconcile(db: Database, driver: Compute, now: Callable[[], int]) -> int:
    """Let every instance that no task holds show what its machine does; how many have changed."""
    changed = 0
    async for seen in driver.observe():
        async with db.read() as tx:
            known = await instances.standing_of(tx, seen.machine_id)
        if known is None:
            LOG.warning("A machine has no record: it is left alone", extra={"machine_id": seen.machine_id})
        elif known != (seen.status, seen.vm_state or VM_STATES[Status(seen.status)]):
            changed += await db.write(partial(_follow, seen, now()))
    return changed


async def _follow(seen: Seen, now: int, tx: Tx) -> int:
    instance = await instances.find(tx, seen.machine_id)
    if instance is None or instance.task_id is not None:
        return 0
    after = instance.standing(Status(seen.status), now, seen.vm_state)
    if (after.status, after.vm_state) == (instance.status, instance.vm_state):
        return 0
    await instances.save(tx, instance, after)
    return 1
