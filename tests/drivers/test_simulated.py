"""The simulated driver: its time, and what it shows to tests."""

from pathlib import Path

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.simulated.driver import Simulated
from pileus.drivers.simulated.state import SECONDS
from pileus.testing.conformance.helpers import new_disk, new_machine, statuses_by_machine_id

Slept = list[float]


@pytest.fixture
def slept() -> Slept:
    """The seconds that the driver has slept."""
    return []


@pytest.fixture
def driver(tmp_path: Path, slept: Slept) -> Simulated:
    """A driver that records its sleeps instead of sleeping."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Simulated(tmp_path / "simulated.db", sleep=sleep)


async def test_changes_take_no_time_by_default(driver: Simulated, slept: Slept) -> None:
    machine = new_machine()
    await driver.ensure_running_machine(machine)
    await driver.ensure_no_machine(machine.id)

    assert slept == []


async def test_changes_take_realistic_time_and_none_if_nothing_changes(driver: Simulated, slept: Slept) -> None:
    machine, disk = new_machine(), new_disk()
    driver.set_transition_time("realistic")
    for _ in range(2):
        await driver.ensure_running_machine(machine)
        await driver.ensure_volume(disk)
        await driver.ensure_volume_attachment(machine.id, disk)
    for _ in range(2):
        await driver.ensure_stopped_machine(machine.id)
    await driver.ensure_running_machine(machine)

    assert slept == [SECONDS[change] for change in ("create", "volume", "attach", "stop", "start")]


@pytest.mark.parametrize(
    ("changes", "shortest", "longest"),
    [
        (["network", "router"], 8, 18),
        (["subnet", "router_interface"], 5, 18),
        (["floating_ip"], 5, 5),
        (["security_group"], 1, 1),
        (["volume", "create", "attach", "interface"], 26, 48),
        (["delete"], 13, 20),
        (["migrate"], 20, 20),
        (["resize"], 27, 35),
    ],
)
def test_realistic_times_are_those_of_the_live_api(changes: list[str], shortest: int, longest: int) -> None:
    assert shortest <= sum(SECONDS[change] for change in changes) <= longest


async def test_processes_that_share_a_state_file_share_its_time(
    tmp_path: Path, driver: Simulated, slept: Slept
) -> None:
    Simulated(tmp_path / "simulated.db").set_transition_time("realistic")

    await driver.ensure_running_machine(new_machine())

    assert slept == [SECONDS["create"]]


async def test_time_may_be_realistic_from_the_start(tmp_path: Path) -> None:
    slept: Slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    driver = Simulated(tmp_path / "other.db", realistic=True, sleep=sleep)
    await driver.ensure_running_machine(new_machine())
    restarted = Simulated(tmp_path / "other.db", sleep=sleep)
    await restarted.ensure_running_machine(new_machine())

    assert slept == [SECONDS["create"]] * 2


async def test_it_counts_its_records(driver: Simulated) -> None:
    machine, disk = new_machine(), new_disk()
    await driver.ensure_running_machine(machine)
    await driver.ensure_volume(disk)

    assert driver.count_machines_volumes_and_nics() == (1, 1, 0)
    assert driver.get_machine(machine.id).name == "web"
    assert await statuses_by_machine_id(driver) == {machine.id: "ACTIVE"}


async def test_the_state_of_an_unknown_machine_cannot_be_set(driver: Simulated) -> None:
    with pytest.raises(DriverError, match="nobody does not exist"):
        driver.set_machine_state("nobody", "ERROR")


@pytest.mark.parametrize("hosts", [1, 3])
async def test_it_has_as_many_hosts_as_configured(tmp_path: Path, hosts: int) -> None:
    driver = Simulated(tmp_path / "hosts.db", hosts=hosts)

    assert len(await driver.list_host_names(1)) == hosts
    assert set(await driver.list_host_names(1)).isdisjoint(await driver.list_host_names(2))


async def test_a_machine_that_does_not_run_is_idle(driver: Simulated) -> None:
    machine = new_machine()
    await driver.ensure_running_machine(machine)
    await driver.ensure_volume(DiskSpec(id="v-1", size=5, type_name="standard"))
    await driver.ensure_volume_attachment(machine.id, DiskSpec(id="v-1", size=5, type_name="standard"))
    await driver.ensure_stopped_machine(machine.id)

    (sample,) = await driver.machine_samples(machine.id, 0, 1_000_000, 1)

    assert (sample.cpu_util, sample.network_bytes_in, list(sample.disks)) == (0.0, 0.0, ["vda"])
