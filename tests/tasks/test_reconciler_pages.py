"""The reconciler looks at many machines in pages, and at the changed ones at once: other work goes on meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import Instance, Status
from pileus.drivers.protocols.compute import ObservedMachine
from pileus.drivers.protocols.guests import MachineMetadata
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.tasks import reconciler
from pileus.tasks.reconciler import Reconciler, reconcile_instance_statuses, send_missed_metadata
from pileus.testing.conformance.helpers import new_machine
from tests.builders import an_instance, driver_of, reload_instance
from tests.tasks.workers import CountingDatabase, Workbench
from tests.tenants import REGION, Tenant

MACHINES = 1200


class ManyMachines:
    """A driver with many machines, all of which it knows without waiting. It does not number changes."""

    def __init__(self, count: int) -> None:
        self.machine_ids = [f"machine-{number:05}" for number in range(count)]

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Yield all machines."""
        for machine_id in self.machine_ids:
            yield ObservedMachine(machine_id=machine_id, status="ACTIVE")


def make_reconciler(db: Database, driver: Any, runs: int) -> Reconciler:
    """Return a reconciler that is cancelled after some runs."""
    pauses = 0

    async def sleep(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == runs:
            raise asyncio.CancelledError

    return Reconciler(db, driver, lambda: 4711, [REGION], sleep)


async def run(db: Database, driver: Any, runs: int = 1) -> None:
    with pytest.raises(asyncio.CancelledError):
        await make_reconciler(db, driver, runs).run()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three machines, and no more than one page in a run."""
    monkeypatch.setattr(reconciler, "PAGE_SIZE", 3)
    monkeypatch.setattr(reconciler, "PAGES_PER_RUN", 1)


@pytest.fixture
def no_slow_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only changed machines are looked at."""
    monkeypatch.setattr(reconciler, "PAGES_PER_RUN", 0)


async def test_machines_are_compared_by_a_statement_for_each_page(db: Database) -> None:
    counting = CountingDatabase(db)

    await reconcile_instance_statuses(counting, ManyMachines(MACHINES), lambda: 0, [REGION])  # type: ignore[arg-type]  # only `observe` is called

    assert counting.counts == {"read": 0, "scan": 3, "write": 0}


async def test_other_work_goes_on_between_two_pages(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a driver and a database that never wait."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    class ImmediateDatabase(CountingDatabase):
        def scan(self) -> AbstractAsyncContextManager[Tx]:
            return self.db.read()

    monkeypatch.setattr(reconciler, "PAGE_SIZE", 10)
    counter = asyncio.create_task(count_turns())
    await reconcile_instance_statuses(ImmediateDatabase(db), ManyMachines(MACHINES), lambda: 0, [REGION])  # type: ignore[arg-type]  # only `observe` is called
    counter.cancel()

    assert turns >= MACHINES // 10


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(("runs", "looked_at"), [(1, 3), (2, 6), (3, 7), (5, 7)])
async def test_a_run_looks_at_some_machines_and_the_next_ones_at_the_others(
    bench: Workbench, caplog: pytest.LogCaptureFixture, runs: int, looked_at: int
) -> None:
    for _ in range(7):
        await bench.driver.ensure_running_machine(new_machine())

    await run(bench.db, bench.driver, runs)

    assert caplog.text.count("A machine has no record") == looked_at
    assert "Reconciling failed" not in caplog.text


@pytest.mark.usefixtures("small_pages")
async def test_after_the_last_machine_it_begins_from_the_first(tenant: Tenant) -> None:
    driver, db = driver_of(tenant.running), tenant.running.app_state.db
    instance = await an_instance(tenant)
    # A page has one machine at least, and a run finds that there is no further page.
    runs_of_a_pass = len([machine async for machine in driver.observe()]) + 1
    statuses: list[str] = []

    async def sleep(_: float) -> None:
        statuses.append((await reload_instance(tenant, instance)).status)
        if len(statuses) == runs_of_a_pass:
            await change_record(tenant, instance, "SHUTOFF")
        if len(statuses) == 2 * runs_of_a_pass + 1:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Reconciler(db, driver, lambda: 4711, [REGION], sleep).run()

    assert statuses[-1] == "ACTIVE"


@pytest.mark.usefixtures("no_slow_pass")
async def test_a_machine_that_changed_by_itself_is_looked_at_in_the_next_run(tenant: Tenant) -> None:
    driver, db = driver_of(tenant.running), tenant.running.app_state.db
    instance = await an_instance(tenant)
    await driver.set_machine_state(instance.id, "ERROR")

    await run(db, driver)

    assert (await reload_instance(tenant, instance)).status == "ERROR"


@pytest.mark.usefixtures("no_slow_pass")
async def test_a_change_of_a_locked_instance_is_saved_when_its_task_has_ended(tenant: Tenant) -> None:
    driver, db = driver_of(tenant.running), tenant.running.app_state.db
    instance = await an_instance(tenant)
    locked = await db.write(lambda tx: instances.save(tx, instance, instance.locked("a-task", "powering-off")))
    await driver.set_machine_state(instance.id, "ERROR")
    statuses: list[str] = []

    async def sleep(_: float) -> None:
        statuses.append((await reload_instance(tenant, instance)).status)
        if len(statuses) == 2:
            raise asyncio.CancelledError
        await db.write(lambda tx: instances.save(tx, locked, locked.unlocked()))

    with pytest.raises(asyncio.CancelledError):
        await Reconciler(db, driver, lambda: 4711, [REGION], sleep).run()

    assert statuses == ["ACTIVE", "ERROR"]


async def test_a_change_by_a_task_is_no_change_by_itself(tenant: Tenant) -> None:
    driver = driver_of(tenant.running)
    instance = await an_instance(tenant)
    await driver.set_machine_state(instance.id, "ERROR")
    numbered = [machine_id for _, machine_id in await driver.list_changed_machines(0, 1_000_000)]

    await driver.ensure_stopped_machine(instance.id)

    assert instance.id in numbered
    assert instance.id not in [machine_id for _, machine_id in await driver.list_changed_machines(0, 1_000_000)]


async def test_a_simulated_state_is_saved_without_looking_at_other_machines(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await an_instance(tenant)

    def refuse() -> AsyncIterator[ObservedMachine]:
        raise AssertionError("all machines are looked at")

    monkeypatch.setattr(driver_of(tenant.running), "observe", refuse)

    answer = await tenant.api.put(f"/_pileus/machines/{instance.id}", json={"status": "ERROR"})

    assert answer.status_code == 204
    assert (await reload_instance(tenant, instance)).status == "ERROR"


async def test_missed_metadata_are_read_in_pages(tenant: Tenant) -> None:
    missing, current = await an_instance(tenant, labels={"env": "prod"}), await an_instance(tenant)
    sent: dict[str, MachineMetadata] = {}

    class Describing:
        async def list_descriptions(self) -> Mapping[str, MachineMetadata]:
            unknown = {f"machine-{number}": MachineMetadata(name="x", tags={}) for number in range(MACHINES)}
            previous = MachineMetadata(
                name="web", tags={"os_distro": "ubuntu", "os_type": "linux", "os_version": "22.04"}
            )
            return {**unknown, missing.id: previous, current.id: previous}

        async def ensure_machine_metadata(self, machine_id: str, metadata: MachineMetadata) -> None:
            sent[machine_id] = metadata

    counting = CountingDatabase(tenant.running.app_state.db)
    await send_missed_metadata(counting, Describing())

    assert list(sent) == [missing.id]
    assert sent[missing.id].tags["env"] == "prod"
    assert counting.counts == {"read": 0, "scan": 3, "write": 0}


async def change_record(tenant: Tenant, instance: Instance, status: str) -> None:
    """Give an instance another status than its machine has."""
    changed = replace(instance, status=status)
    await tenant.running.app_state.db.write(lambda tx: instances.save(tx, instance, changed))


class RecordChangesMeanwhile:
    """A driver whose answer is older than a record: the record changes before the answer arrives, once."""

    def __init__(self, driver: Any, change: Callable[[], Awaitable[object]]) -> None:
        self._driver = driver
        self._change: Callable[[], Awaitable[object]] | None = change

    async def observe_machines(self, machine_ids: Sequence[str]) -> Sequence[ObservedMachine]:
        """Return the states before the record has changed."""
        observed: Sequence[ObservedMachine] = await self._driver.observe_machines(machine_ids)
        change, self._change = self._change, None
        if change is not None:
            await change()
        return observed

    async def list_changed_machines(self, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return the changes of the driver."""
        changes: Sequence[tuple[int, str]] = await self._driver.list_changed_machines(after, limit)
        return changes


@pytest.mark.usefixtures("no_slow_pass")
async def test_a_record_that_changes_while_its_machine_is_observed_is_kept(tenant: Tenant) -> None:
    """A task has stopped the machine and saved that, after the driver had answered that it failed."""
    driver, db = driver_of(tenant.running), tenant.running.app_state.db
    instance = await an_instance(tenant)

    async def stop_machine() -> None:
        await driver.ensure_stopped_machine(instance.id)
        await db.write(lambda tx: instances.save(tx, instance, instance.with_status(Status.SHUTOFF, 1)))

    await driver.set_machine_state(instance.id, "ERROR")
    await run(db, RecordChangesMeanwhile(driver, stop_machine), runs=2)

    assert (await reload_instance(tenant, instance)).status == "SHUTOFF"
