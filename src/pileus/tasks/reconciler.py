"""Update the status of instances to what the driver observes.

Reconciling takes no input: it looks at all machines and may run at any time. It also sends machines the metadata that
they have missed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from pileus.domain.compute.instances import VM_STATES, Status
from pileus.drivers.protocols.compute import Compute, ObservedMachine
from pileus.drivers.protocols.guests import SupportsMachineMetadata, SupportsWatching
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.tasks.compute.machine_metadata import load_metadata
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
INTERVAL = 5.0
"""Seconds between two runs."""


class Reconciler:
    """Reconciles periodically, and at once when it is nudged."""

    def __init__(
        self,
        db: Database,
        driver: Compute,
        now: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reconcile = partial(reconcile_instance_statuses, db, driver, now, reported_unknown=set())
        self._sleep = sleep
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Reconcile at once, because a machine may have changed."""
        self._nudged.set()

    async def run(self) -> None:
        """Reconcile until cancelled; failures are logged."""
        await repeat(self._reconcile, INTERVAL, self._sleep_until_nudged, LOG, "Reconciling failed")

    async def watch_driver(self, driver: SupportsWatching) -> None:
        """Reconcile whenever the driver reports a change, until cancelled. Failures are logged."""
        await repeat(partial(driver.watch_machines, self.nudge), INTERVAL, self._sleep, LOG, "Watching machines failed")

    async def _sleep_until_nudged(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        nudged = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait((sleeping, nudged), return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                await sleeping
        finally:
            sleeping.cancel()
            nudged.cancel()
            self._nudged.clear()


async def reconcile_instance_statuses(
    db: Database, driver: Compute, now: Callable[[], int], *, reported_unknown: set[str] | None = None
) -> int:
    """Update every unlocked instance whose machine has another status; return how many were updated.

    A machine without a record is reported to the log once: its id is added to `reported_unknown`.
    """
    updated, reported = 0, reported_unknown if reported_unknown is not None else set()
    async for machine in driver.observe():
        async with db.read() as tx:
            recorded = await instances.find_status_and_vm_state(tx, machine.machine_id)
        if recorded is None:
            _report_unknown(machine.machine_id, reported)
        elif recorded != (machine.status, machine.vm_state or VM_STATES[Status(machine.status)]):
            updated += await db.write(partial(_update_status, machine, now()))
    if isinstance(driver, SupportsMachineMetadata):
        await _send_missed_metadata(db, driver)
    return updated


def _report_unknown(machine_id: str, reported: set[str]) -> None:
    if machine_id not in reported:
        LOG.warning("A machine has no record: it is left alone", extra={"machine_id": machine_id})
        reported.add(machine_id)


async def _update_status(machine: ObservedMachine, now: int, tx: Tx) -> int:
    """Return 1 if the instance was changed, or 0 if a task has locked it or it has that status already."""
    instance = await instances.find(tx, machine.machine_id)
    if instance is None or instance.task_id is not None:
        return 0
    after = instance.with_status(Status(machine.status), now, machine.vm_state)
    if (after.status, after.vm_state) == (instance.status, instance.vm_state):
        return 0
    if machine.reason:
        LOG.error("A machine has failed", extra={"machine_id": machine.machine_id, "reason": machine.reason})
    await instances.save(tx, instance, after)
    return 1


async def _send_missed_metadata(db: Database, driver: SupportsMachineMetadata) -> None:
    for machine_id, sent in (await driver.list_descriptions()).items():
        async with db.read() as tx:
            current = await load_metadata(tx, machine_id)
        if current is not None and current != sent:
            await driver.ensure_machine_metadata(machine_id, current)
