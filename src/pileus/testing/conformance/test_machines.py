"""Conformance of machines: each verb names an end state, and a repeated call does no harm."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import Compute, Hosts, Migrates, Simulates
from pileus.drivers.protocols.consoles import Consoles
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import Metrics
from pileus.drivers.protocols.storage import Volumes
from pileus.testing.conformance.fixtures import MakeDriver
from pileus.testing.conformance.helpers import (
    HOUR,
    SECRET,
    STATES,
    bring_to,
    new_disk,
    new_machine,
    require,
    statuses,
    twice,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("before", STATES)
async def test_a_machine_comes_to_each_state_from_each_other(driver: Compute, before: str) -> None:
    for verb, after in (("running", "ACTIVE"), ("stopped", "SHUTOFF"), ("suspended", "SUSPENDED")):
        machine = new_machine()
        await bring_to(driver, machine, before)

        await twice(getattr(driver, f"ensure_{verb}"), machine if verb == "running" else machine.id)

        assert (await statuses(driver))[machine.id] == after


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("before", [Status.ACTIVE, Status.SHUTOFF])
async def test_a_machine_runs_after_a_restart(driver: Compute, before: str, hard: bool) -> None:  # noqa: FBT001  # a parameter of the test
    machine = new_machine()
    await bring_to(driver, machine, before)

    await twice(driver.ensure_restarted, machine, "request-1", hard=hard)

    assert (await statuses(driver))[machine.id] == "ACTIVE"


async def test_a_restart_is_done_once_for_a_request(driver: Compute) -> None:
    """A machine that was stopped since stays stopped when the same request is repeated."""
    machine = new_machine()
    await driver.ensure_running(machine)
    await driver.ensure_restarted(machine, "request-1", hard=True)
    await driver.ensure_stopped(machine.id)

    await driver.ensure_restarted(machine, "request-1", hard=True)
    assert (await statuses(driver))[machine.id] == "SHUTOFF"

    await driver.ensure_restarted(machine, "request-2", hard=True)
    assert (await statuses(driver))[machine.id] == "ACTIVE"


@pytest.mark.parametrize("before", STATES[:2])
async def test_another_size_leaves_a_machine_as_it_stands(driver: Compute, before: str) -> None:
    machine = new_machine()
    await bring_to(driver, machine, before)

    await twice(driver.ensure_sized, replace(machine, flavor_id="g1-standard-2-4", vcpus=2, ram=4096))

    assert (await statuses(driver))[machine.id] == before


async def test_nothing_is_left_of_a_machine_that_is_gone(driver: Compute) -> None:
    machine = new_machine()
    await driver.ensure_running(machine)

    await twice(driver.ensure_gone, machine.id)

    assert machine.id not in await statuses(driver)


@pytest.mark.parametrize("verb", ["ensure_stopped", "ensure_suspended"])
async def test_what_is_not_there_cannot_be_brought_to_a_state(driver: Compute, verb: str) -> None:
    with pytest.raises(DriverError) as refused:
        await getattr(driver, verb)("nobody")

    assert not refused.value.retryable


async def test_many_machines_at_once_stay_apart(driver: Compute) -> None:
    machines = [new_machine(name=f"web-{number}") for number in range(20)]

    await asyncio.gather(*map(driver.ensure_running, machines))
    await asyncio.gather(*(driver.ensure_stopped(machine.id) for machine in machines[::2]))

    status_of = await statuses(driver)
    assert {status_of[machine.id] for machine in machines[::2]} == {"SHUTOFF"}
    assert {status_of[machine.id] for machine in machines[1::2]} == {"ACTIVE"}


async def test_machines_outlive_the_control_plane(make_driver: MakeDriver, data: Path) -> None:
    machine, disk = new_machine(), new_disk()
    driver = make_driver()
    await driver.ensure_running(machine)
    if isinstance(driver, Volumes):
        await driver.ensure_volume(disk)
        await driver.ensure_attached(machine.id, disk)

    restarted = make_driver()

    assert await statuses(restarted) == {machine.id: "ACTIVE"}
    await twice(restarted.ensure_stopped, machine.id)
    assert await statuses(driver) == {machine.id: "SHUTOFF"}
    assert not any(SECRET.encode() in content for content in _contents(data))


def _contents(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.rglob("*") if file.is_file() and not file.is_symlink()]


async def test_hosts_are_named_once_and_the_same_whenever_asked(driver: Compute) -> None:
    host_driver = require(driver, Hosts)

    hosts = list(await host_driver.hosts(1))

    assert hosts
    assert len(set(hosts)) == len(hosts)
    assert list(await host_driver.hosts(1)) == hosts


@pytest.mark.parametrize("before", STATES[:2])
async def test_a_machine_that_moves_stands_as_before(driver: Compute, before: str) -> None:
    migrating_driver, machine = require(driver, Migrates), new_machine()
    source, target = list(await require(driver, Hosts).hosts(1))[:2]
    await bring_to(driver, replace(machine, host=source), before)

    await twice(migrating_driver.ensure_on_host, replace(machine, host=target))

    assert (await statuses(driver))[machine.id] == before


async def test_a_machine_that_runs_shows_its_screen(driver: Compute) -> None:
    console_driver, machine = require(driver, Consoles), new_machine()
    await driver.ensure_running(machine)

    console = await console_driver.console(machine.id, None)

    assert console.url.startswith(("http", "ws"))
    assert (await console_driver.console(machine.id, console.type)).protocol == console.protocol
    with pytest.raises(DriverError):
        await console_driver.console(machine.id, "a-crystal-ball")
    await driver.ensure_stopped(machine.id)
    with pytest.raises(DriverError):
        await console_driver.console(machine.id, None)


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_how_busy_a_machine_was_is_told_within_the_time_asked_for(driver: Compute, count: int) -> None:
    metrics_driver, machine = require(driver, Metrics), new_machine()
    await driver.ensure_running(machine)

    samples = await metrics_driver.metrics(machine.id, 10 * HOUR, 11 * HOUR, count)

    times = [sample.time for sample in samples]
    assert times == sorted(times)
    assert len(times) <= count
    assert all(10 * HOUR <= time <= 11 * HOUR for time in times)
    assert all(0 <= sample.cpu_util <= 100 and 0 <= sample.memory_util <= 100 for sample in samples)


@pytest.mark.parametrize("status", list(Status))
async def test_a_driver_that_simulates_shows_any_state(driver: Compute, status: Status) -> None:
    simulation, machine = require(driver, Simulates), new_machine()
    await driver.ensure_running(machine)

    simulation.set_state(machine.id, status.value, "rescued")

    (observed,) = [observed async for observed in driver.observe()]
    assert (observed.status, observed.vm_state) == (status, "rescued")
    await driver.ensure_stopped(machine.id)
    await driver.ensure_running(machine)
    assert (await statuses(driver))[machine.id] == "ACTIVE"
