"""The simulated driver's own: its time, and what it shows to tests."""

from pathlib import Path

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import Disk
from pileus.drivers.simulated.driver import Simulated
from pileus.drivers.simulated.state import SECONDS
from pileus.testing.conformance.helpers import new_disk, new_machine, statuses

Slept = list[float]


@pytest.fixture
def slept() -> Slept:
    """How long the driver would have slept."""
    return []


@pytest.fixture
def driver(tmp_path: Path, slept: Slept) -> Simulated:
    """A driver whose time is written down instead of spent."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Simulated(tmp_path / "simulated.db", sleep=sleep)


async def test_things_take_no_time_unless_told(driver: Simulated, slept: Slept) -> None:
    machine = new_machine()
    await driver.ensure_running(machine)
    await driver.ensure_gone(machine.id)

    assert slept == []


async def test_things_take_a_real_clouds_time_when_told_so_and_none_when_nothing_is_to_do(
    driver: Simulated, slept: Slept
) -> None:
    machine, disk = new_machine(), new_disk()
    driver.set_time("realistic")
    for _ in range(2):
        await driver.ensure_running(machine)
        await driver.ensure_volume(disk)
        await driver.ensure_attached(machine.id, disk)
    for _ in range(2):
        await driver.ensure_stopped(machine.id)
    await driver.ensure_running(machine)

    assert slept == [SECONDS[what] for what in ("create", "volume", "attach", "stop", "start")]


async def test_all_who_share_a_world_share_its_time(tmp_path: Path, driver: Simulated, slept: Slept) -> None:
    Simulated(tmp_path / "simulated.db").set_time("realistic")

    await driver.ensure_running(new_machine())

    assert slept == [SECONDS["create"]]


async def test_a_world_may_be_realistic_from_the_start(tmp_path: Path) -> None:
    slept: Slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    driver = Simulated(tmp_path / "other.db", realistic=True, sleep=sleep)
    await driver.ensure_running(new_machine())
    again = Simulated(tmp_path / "other.db", sleep=sleep)
    await again.ensure_running(new_machine())

    assert slept == [SECONDS["create"]] * 2


async def test_it_tells_how_much_there_is(driver: Simulated) -> None:
    machine, disk = new_machine(), new_disk()
    await driver.ensure_running(machine)
    await driver.ensure_volume(disk)

    assert driver.counts() == (1, 1, 0)
    assert driver.machine(machine.id).name == "web"
    assert await statuses(driver) == {machine.id: "ACTIVE"}


async def test_what_is_not_there_has_no_state_to_be_set(driver: Simulated) -> None:
    with pytest.raises(DriverError, match="nobody does not exist"):
        driver.set_state("nobody", "ERROR")


@pytest.mark.parametrize("hosts", [1, 3])
async def test_it_has_as_many_hosts_as_it_is_told(tmp_path: Path, hosts: int) -> None:
    driver = Simulated(tmp_path / "hosts.db", hosts=hosts)

    assert len(await driver.hosts(1)) == hosts
    assert set(await driver.hosts(1)).isdisjoint(await driver.hosts(2))


async def test_a_machine_that_does_not_run_is_idle(driver: Simulated) -> None:
    machine = new_machine()
    await driver.ensure_running(machine)
    await driver.ensure_volume(Disk(id="v-1", size=5, type_name="standard"))
    await driver.ensure_attached(machine.id, Disk(id="v-1", size=5, type_name="standard"))
    await driver.ensure_stopped(machine.id)

    (sample,) = await driver.metrics(machine.id, 0, 1_000_000, 1)

    assert (sample.cpu_util, sample.network_bytes_in, list(sample.disks)) == (0.0, 0.0, ["vda"])
