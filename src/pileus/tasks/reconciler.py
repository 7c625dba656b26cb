"""Update the status of instances to what the driver of their region observes.

A driver that numbers changes is asked for those since the last run, and all its machines are looked at slowly: a
bounded number in each run. With other drivers each run looks at all machines. In both cases the work is done in pages,
and requests are answered between them. Reconciling also finds instances whose machine is gone, and sends machines the
metadata that they have missed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

from pileus.domain.compute.instances import VM_STATES, Status
from pileus.drivers.protocols.compute import (
    Compute,
    ObservedMachine,
    SupportsChangeNumbers,
    SupportsMachineInventory,
)
from pileus.drivers.protocols.guests import SupportsMachineMetadata, SupportsWatching
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.tasks.compute.machine_metadata import load_metadata_by_instance
from pileus.tasks.missing_machines import MissingMachines
from pileus.tasks.periodic import repeat

RecordedStates = Mapping[str, instances.RecordedState]
LOG = logging.getLogger(__name__)
INTERVAL = 5.0
"""Seconds between two runs."""
PAGE_SIZE, PAGES_PER_RUN = 500, 4
"""Machines that one statement compares, and the pages of all machines in a run if the driver numbers changes."""


class Reconciler:
    """Reconciles the regions of one driver periodically, and at once when it is nudged."""

    def __init__(
        self,
        db: Database,
        driver: Compute,
        now: Callable[[], int],
        region_ids: Sequence[int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._db, self._driver, self._now, self._region_ids = db, driver, now, region_ids
        self._sleep = sleep
        self._missing_machines = (
            MissingMachines(db, driver, now, region_ids) if isinstance(driver, SupportsMachineInventory) else None
        )
        self._nudged = asyncio.Event()
        self._unknown_ids: set[str] = set()
        self._last_number = 0
        self._pending_ids: set[str] = set()
        self._next_pages: AsyncIterator[list[ObservedMachine]] | None = None

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

    async def _reconcile(self) -> None:
        if isinstance(self._driver, SupportsChangeNumbers):
            await self._reconcile_changes(self._driver)
            await self._reconcile_next_pages(self._driver)
        else:
            await reconcile_instance_statuses(
                self._db, self._driver, self._now, self._region_ids, reported_unknown=self._unknown_ids
            )
        if self._missing_machines is not None:
            await self._missing_machines.check_next_pages()
        if isinstance(self._driver, SupportsMachineMetadata):
            await send_missed_metadata(self._db, self._driver)

    async def _reconcile_changes(self, driver: SupportsChangeNumbers) -> None:
        """Look at the machines that have changed by themselves, and again at those that a task had locked."""
        for page in _split_pages(sorted(self._pending_ids)):
            await self._reconcile_machines(driver, page)
        while changes := await driver.list_changed_machines(self._last_number, PAGE_SIZE):
            await self._reconcile_machines(driver, [machine_id for _, machine_id in changes])
            self._last_number = changes[-1][0]

    async def _reconcile_machines(self, driver: SupportsChangeNumbers, machine_ids: Sequence[str]) -> None:
        # Records are read before the machines: a record that changes meanwhile may be newer than what is observed.
        recorded = await _load_recorded_states(self._db, machine_ids, self._region_ids)
        observed = await driver.observe_machines(machine_ids)
        _, left_ids = await _update_differing(self._db, observed, recorded, self._now, self._unknown_ids)
        self._pending_ids = self._pending_ids.difference(machine_ids).union(left_ids)
        await asyncio.sleep(0)

    async def _reconcile_next_pages(self, driver: SupportsChangeNumbers) -> None:
        """Look at the next machines of all; a failure or the last page begins from the start."""
        for _ in range(PAGES_PER_RUN):
            pages, self._next_pages = self._next_pages or _observe_pages(self._driver), None
            if (page := await anext(pages, None)) is None:
                return
            ids = [machine.machine_id for machine in page]
            recorded = await _load_recorded_states(self._db, ids, self._region_ids)
            if differing := [machine.machine_id for machine in page if _differs(machine, recorded)]:
                await self._reconcile_machines(driver, differing)
            self._next_pages = pages
            await asyncio.sleep(0)


async def reconcile_instance_statuses(
    db: Database,
    driver: Compute,
    now: Callable[[], int],
    region_ids: Sequence[int],
    *,
    reported_unknown: set[str] | None = None,
) -> int:
    """Look at all machines, update every unlocked instance with another status, and return how many were updated.

    A machine without a record in the regions of the driver is reported to the log once: its id is added to
    `reported_unknown`.
    """
    updated, unknown_ids = 0, reported_unknown if reported_unknown is not None else set()
    async for page in _observe_pages(driver):
        updated += (await update_statuses(db, page, now, region_ids, unknown_ids))[0]
        await asyncio.sleep(0)
    return updated


async def update_statuses(
    db: Database,
    machines: Sequence[ObservedMachine],
    now: Callable[[], int],
    region_ids: Sequence[int],
    unknown_ids: set[str],
) -> tuple[int, list[str]]:
    """Update the instances of machines; return how many were updated, and the machines whose instances differ still."""
    recorded = await _load_recorded_states(db, [machine.machine_id for machine in machines], region_ids)
    return await _update_differing(db, machines, recorded, now, unknown_ids)


async def _load_recorded_states(db: Database, machine_ids: Sequence[str], region_ids: Sequence[int]) -> RecordedStates:
    async with db.scan() as tx:
        return await instances.list_states(tx, machine_ids, region_ids)


def _differs(machine: ObservedMachine, recorded: RecordedStates) -> bool:
    """Return whether the record has another status, or there is none."""
    if machine.machine_id not in recorded:
        return True
    state = recorded[machine.machine_id]
    return (state.status, state.vm_state) != (machine.status, machine.vm_state or VM_STATES[Status(machine.status)])


async def _update_differing(
    db: Database,
    machines: Sequence[ObservedMachine],
    recorded: RecordedStates,
    now: Callable[[], int],
    unknown_ids: set[str],
) -> tuple[int, list[str]]:
    updated, left_ids = 0, []
    for machine in machines:
        if machine.machine_id not in recorded:
            _report_unknown(machine.machine_id, unknown_ids)
        elif _differs(machine, recorded):
            if await db.write(partial(_update_status, machine, recorded[machine.machine_id].revision, now())):
                updated += 1
            else:
                left_ids.append(machine.machine_id)
    return updated, left_ids


async def _observe_pages(driver: Compute) -> AsyncIterator[list[ObservedMachine]]:
    page: list[ObservedMachine] = []
    async for machine in driver.observe():
        page.append(machine)
        if len(page) == PAGE_SIZE:
            yield page
            page = []
    if page:
        yield page


def _split_pages(machine_ids: Sequence[str]) -> list[Sequence[str]]:
    return [machine_ids[start : start + PAGE_SIZE] for start in range(0, len(machine_ids), PAGE_SIZE)]


def _report_unknown(machine_id: str, reported: set[str]) -> None:
    if machine_id not in reported:
        LOG.warning("A machine has no record: it is left alone", extra={"machine_id": machine_id})
        reported.add(machine_id)


async def _update_status(machine: ObservedMachine, revision: int, now: int, tx: Tx) -> bool:
    """Return whether the instance was changed; not if its record has another revision, or a task has locked it."""
    instance = await instances.find(tx, machine.machine_id)
    if instance is None or instance.task_id is not None or instance.revision != revision:
        return False
    after = instance.with_status(Status(machine.status), now, machine.vm_state)
    if (after.status, after.vm_state) == (instance.status, instance.vm_state):
        return False
    if machine.reason:
        LOG.error("A machine has failed", extra={"machine_id": machine.machine_id, "reason": machine.reason})
    await instances.save(tx, instance, after)
    return True


async def send_missed_metadata(db: Database, driver: SupportsMachineMetadata) -> None:
    """Send each machine its metadata if it shows others."""
    sent = await driver.list_descriptions()
    for page in _split_pages(sorted(sent)):
        async with db.scan() as tx:
            current = await load_metadata_by_instance(tx, page)
        for machine_id, metadata in current.items():
            if metadata != sent[machine_id]:
                await driver.ensure_machine_metadata(machine_id, metadata)
