"""Conformance of machines: each verb names an end state, and a repeated call does no harm."""

import asyncio
import uuid
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import (
    Compute,
    SupportsHosts,
    SupportsMachineInventory,
    SupportsMigration,
    SupportsSimulation,
)
from pileus.drivers.protocols.consoles import SupportsConsoles
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import SupportsMachineMetrics
from pileus.drivers.protocols.storage import SupportsVolumes
from pileus.testing.conformance.fixtures import MakeDriver
from pileus.testing.conformance.helpers import (
    HOUR,
    SECRET,
    STATES,
    call_twice,
    create_machine_in_status,
    new_disk,
    new_machine,
    require_capability,
    statuses_by_machine_id,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("before", STATES)
async def test_a_machine_reaches_each_state_from_every_other_state(driver: Compute, before: str) -> None:
    verbs = {"running": "ACTIVE", "started": "ACTIVE", "stopped": "SHUTOFF", "suspended": "SUSPENDED"}
    for verb, after in verbs.items():
        machine = new_machine()
        await create_machine_in_status(driver, machine, before)

        await call_twice(getattr(driver, f"ensure_{verb}_machine"), machine if after == "ACTIVE" else machine.id)

        assert (await statuses_by_machine_id(driver))[machine.id] == after


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("before", [Status.ACTIVE, Status.SHUTOFF])
async def test_a_machine_runs_after_a_restart(driver: Compute, before: str, hard: bool) -> None:  # noqa: FBT001  # a parameter of the test
    machine = new_machine()
    await create_machine_in_status(driver, machine, before)

    await call_twice(driver.ensure_restarted_machine, machine, "request-1", hard=hard)

    assert (await statuses_by_machine_id(driver))[machine.id] == "ACTIVE"


async def test_a_restart_is_done_once_for_a_request(driver: Compute) -> None:
    """A machine that was stopped since stays stopped when the same request is repeated."""
    machine = new_machine()
    await driver.ensure_running_machine(machine)
    await driver.ensure_restarted_machine(machine, "request-1", hard=True)
    await driver.ensure_stopped_machine(machine.id)

    await driver.ensure_restarted_machine(machine, "request-1", hard=True)
    assert (await statuses_by_machine_id(driver))[machine.id] == "SHUTOFF"

    await driver.ensure_restarted_machine(machine, "request-2", hard=True)
    assert (await statuses_by_machine_id(driver))[machine.id] == "ACTIVE"


@pytest.mark.parametrize("before", STATES[:2])
async def test_a_resize_keeps_the_state_of_a_machine(driver: Compute, before: str) -> None:
    machine = new_machine()
    await create_machine_in_status(driver, machine, before)

    await call_twice(driver.ensure_machine_size, replace(machine, flavor_id="g1-standard-2-4", vcpus=2, ram=4096))

    assert (await statuses_by_machine_id(driver))[machine.id] == before


async def test_nothing_remains_of_a_deleted_machine(driver: Compute) -> None:
    machine = new_machine()
    await driver.ensure_running_machine(machine)

    await call_twice(driver.ensure_no_machine, machine.id)

    assert machine.id not in await statuses_by_machine_id(driver)


@pytest.mark.parametrize("verb", ["ensure_stopped_machine", "ensure_suspended_machine"])
async def test_a_missing_machine_cannot_change_its_state(driver: Compute, verb: str) -> None:
    with pytest.raises(DriverError) as refused:
        await getattr(driver, verb)("nobody")

    assert not refused.value.retryable


async def test_the_inventory_misses_only_machines_that_do_not_exist(driver: Compute) -> None:
    inventory = require_capability(driver, SupportsMachineInventory)
    machines = {status: new_machine() for status in (Status.ACTIVE, Status.SHUTOFF)}
    for status, machine in machines.items():
        await create_machine_in_status(driver, machine, status)
    gone = new_machine()
    await driver.ensure_running_machine(gone)
    await driver.ensure_no_machine(gone.id)
    nobody = str(uuid.uuid4())

    missing = await inventory.list_missing_machines([*(machine.id for machine in machines.values()), gone.id, nobody])

    assert sorted(missing) == sorted([gone.id, nobody])
    assert list(await inventory.list_missing_machines([])) == []


async def test_starting_a_missing_machine_creates_none(driver: Compute) -> None:
    """Undoing starts machines that ran before; one that is gone meanwhile stays gone."""
    machine = new_machine()

    with pytest.raises(DriverError) as refused:
        await driver.ensure_started_machine(machine)

    assert not refused.value.retryable
    assert machine.id not in await statuses_by_machine_id(driver)


async def test_many_concurrent_machines_do_not_affect_each_other(driver: Compute) -> None:
    machines = [new_machine(name=f"web-{number}") for number in range(20)]

    await asyncio.gather(*map(driver.ensure_running_machine, machines))
    await asyncio.gather(*(driver.ensure_stopped_machine(machine.id) for machine in machines[::2]))

    status_of = await statuses_by_machine_id(driver)
    assert {status_of[machine.id] for machine in machines[::2]} == {"SHUTOFF"}
    assert {status_of[machine.id] for machine in machines[1::2]} == {"ACTIVE"}


async def test_machines_outlive_the_control_plane(make_driver: MakeDriver, data: Path) -> None:
    machine, disk = new_machine(), new_disk()
    driver = await make_driver()
    await driver.ensure_running_machine(machine)
    if isinstance(driver, SupportsVolumes):
        await driver.ensure_volume(disk)
        await driver.ensure_volume_attachment(machine.id, disk)

    restarted = await make_driver()

    assert await statuses_by_machine_id(restarted) == {machine.id: "ACTIVE"}
    await call_twice(restarted.ensure_stopped_machine, machine.id)
    assert await statuses_by_machine_id(driver) == {machine.id: "SHUTOFF"}
    assert not any(SECRET.encode() in content for content in _contents(data))


def _contents(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.rglob("*") if file.is_file() and not file.is_symlink()]


async def test_host_names_are_unique_and_stable(driver: Compute) -> None:
    host_driver = require_capability(driver, SupportsHosts)

    hosts = list(await host_driver.list_host_names(1))

    assert hosts
    assert len(set(hosts)) == len(hosts)
    assert list(await host_driver.list_host_names(1)) == hosts


@pytest.mark.parametrize("before", STATES[:2])
async def test_a_migration_keeps_the_state_of_a_machine(driver: Compute, before: str) -> None:
    migrating_driver, machine = require_capability(driver, SupportsMigration), new_machine()
    source, target = list(await require_capability(driver, SupportsHosts).list_host_names(1))[:2]
    await create_machine_in_status(driver, replace(machine, host=source), before)

    await call_twice(migrating_driver.ensure_machine_host, replace(machine, host=target))

    assert (await statuses_by_machine_id(driver))[machine.id] == before


async def test_a_console_opens_only_for_a_running_machine(driver: Compute) -> None:
    console_driver, machine = require_capability(driver, SupportsConsoles), new_machine()
    await driver.ensure_running_machine(machine)

    console = await console_driver.open_console(machine.id, None)

    assert console.url.startswith(("http", "ws"))
    assert (await console_driver.open_console(machine.id, console.type)).protocol == console.protocol
    with pytest.raises(DriverError):
        await console_driver.open_console(machine.id, "a-crystal-ball")
    await driver.ensure_stopped_machine(machine.id)
    with pytest.raises(DriverError):
        await console_driver.open_console(machine.id, None)


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_machine_metrics_lie_within_the_requested_times(driver: Compute, count: int) -> None:
    metrics_driver, machine = require_capability(driver, SupportsMachineMetrics), new_machine()
    await driver.ensure_running_machine(machine)

    samples = await metrics_driver.machine_samples(machine.id, 10 * HOUR, 11 * HOUR, count)

    times = [sample.time for sample in samples]
    assert times == sorted(times)
    assert len(times) <= count
    assert all(10 * HOUR <= time <= 11 * HOUR for time in times)
    assert all(0 <= sample.cpu_util <= 100 and 0 <= sample.memory_util <= 100 for sample in samples)


@pytest.mark.parametrize("status", list(Status))
async def test_a_simulating_driver_can_be_set_to_any_state(driver: Compute, status: Status) -> None:
    simulation, machine = require_capability(driver, SupportsSimulation), new_machine()
    await driver.ensure_running_machine(machine)

    await simulation.set_machine_state(machine.id, status.value, "rescued")

    (observed,) = [observed async for observed in driver.observe()]
    assert (observed.status, observed.vm_state) == (status, "rescued")
    await driver.ensure_stopped_machine(machine.id)
    await driver.ensure_running_machine(machine)
    assert (await statuses_by_machine_id(driver))[machine.id] == "ACTIVE"
