"""Brings records into line with what drivers see: takes no input, looks at everything, may be run at any time.

The other way round, machines that can be told their names and tags are told again what they have missed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from pileus.domain.compute.instances import VM_STATES, Status
from pileus.drivers.protocols.compute import Compute, ObservedMachine
from pileus.drivers.protocols.guests import MachineMetadata, Watches
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.tasks.compute.machine_metadata import metadata_of
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
EVERY = 5.0
"""Seconds."""


class Reconciler:
    """Reconciles again and again, and at once when it is told that a machine has changed."""

    def __init__(
        self,
        db: Database,
        driver: Compute,
        now: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reconcile = partial(reconcile, db, driver, now, strangers=set())
        self._sleep = sleep
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Say that a machine may have changed."""
        self._nudged.set()

    async def run(self) -> None:
        """Reconcile until cancelled; a failure is not the last try."""
        await repeat(self._reconcile, EVERY, self._rest, LOG, "Reconciling failed")

    async def look_after(self, driver: Watches) -> None:
        """Have machines looked after, and reconcile when one has changed, until cancelled; a failure is not the end."""
        await repeat(partial(driver.watch, self.nudge), EVERY, self._sleep, LOG, "Looking after machines failed")

    async def _rest(self, seconds: float) -> None:
        """Wait for so many seconds, or until somebody nudges."""
        resting = asyncio.ensure_future(self._sleep(seconds))
        nudged = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait((resting, nudged), return_when=asyncio.FIRST_COMPLETED)
            if resting.done():
                await resting
        finally:
            resting.cancel()
            nudged.cancel()
            self._nudged.clear()


async def reconcile(db: Database, driver: Compute, now: Callable[[], int], *, strangers: set[str] | None = None) -> int:
    """Let every instance that no task holds show what its machine does; how many have changed.

    A machine without a record is told of once: `strangers` are those that are known to have none.
    """
    changed, strangers = 0, strangers if strangers is not None else set()
    async for seen in driver.observe():
        async with db.read() as tx:
            known = await instances.status_of(tx, seen.machine_id)
        if known is None:
            if seen.machine_id not in strangers:
                LOG.warning("A machine has no record: it is left alone", extra={"machine_id": seen.machine_id})
            strangers.add(seen.machine_id)
        elif known != (seen.status, seen.vm_state or VM_STATES[Status(seen.status)]):
            changed += await db.write(partial(_follow, seen, now()))
    if isinstance(driver, MachineMetadata):
        await _describe(db, driver)
    return changed


async def _follow(seen: ObservedMachine, now: int, tx: Tx) -> int:
    instance = await instances.find(tx, seen.machine_id)
    if instance is None or instance.task_id is not None:
        return 0
    after = instance.with_status(Status(seen.status), now, seen.vm_state)
    if (after.status, after.vm_state) == (instance.status, instance.vm_state):
        return 0
    if seen.reason:
        LOG.error("A machine has failed", extra={"machine_id": seen.machine_id, "reason": seen.reason})
    await instances.save(tx, instance, after)
    return 1


async def _describe(db: Database, driver: MachineMetadata) -> None:
    """Tell machines what has been changed while nobody could tell them."""
    for machine_id, told in (await driver.described()).items():
        async with db.read() as tx:
            right = await metadata_of(tx, machine_id)
        if right is not None and right != told:
            await driver.ensure_metadata(machine_id, right)
