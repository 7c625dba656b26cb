"""The simulated driver: its time, and what it shows to tests."""

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.simulated.driver import Simulated
from pileus.drivers.simulated.state import SECONDS
from pileus.store.database import Database
from pileus.testing.conformance.helpers import new_disk, new_machine, statuses_by_machine_id
from tests.simulated_cloud import a_driver, count_machines_volumes_and_nics

Slept = list[float]


@pytest.fixture
def slept() -> Slept:
    """The seconds that the driver has slept."""
    return []


@pytest.fixture
def driver(db: Database, slept: Slept) -> Simulated:
    """A driver that records its sleeps instead of sleeping."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return a_driver(db, sleep=sleep)


async def test_changes_take_no_time_by_default(driver: Simulated, slept: Slept) -> None:
    machine = new_machine()
    await driver.ensure_running_machine(machine)
    await driver.ensure_no_machine(machine.id)

    assert slept == []


async def test_changes_take_realistic_time_and_none_if_nothing_changes(driver: Simulated, slept: Slept) -> None:
    machine, disk = new_machine(), new_disk()
    await driver.set_transition_time("realistic")
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


async def test_servers_of_one_database_share_its_time(db: Database, driver: Simulated, slept: Slept) -> None:
    await a_driver(db).set_transition_time("realistic")

    await driver.ensure_running_machine(new_machine())

    assert slept == [SECONDS["create"]]


async def test_time_may_be_realistic_from_the_start(db: Database) -> None:
    slept: Slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    driver = a_driver(db, realistic=True, sleep=sleep)
    await driver.start()
    await driver.ensure_running_machine(new_machine())
    restarted = a_driver(db, sleep=sleep)
    await restarted.start()
    await restarted.ensure_running_machine(new_machine())

    assert slept == [SECONDS["create"]] * 2


async def test_its_records_are_those_of_the_database(db: Database, driver: Simulated) -> None:
    machine, disk = new_machine(), new_disk()
    await driver.ensure_running_machine(machine)
    await driver.ensure_volume(disk)

    assert await count_machines_volumes_and_nics(db) == (1, 1, 0)
    assert (await driver.get_machine(machine.id)).name == "web"
    assert await statuses_by_machine_id(driver) == {machine.id: "ACTIVE"}


async def test_the_state_of_an_unknown_machine_cannot_be_set(driver: Simulated) -> None:
    with pytest.raises(DriverError, match="nobody does not exist"):
        await driver.set_machine_state("nobody", "ERROR")


@pytest.mark.parametrize("hosts", [1, 3])
async def test_it_has_as_many_hosts_as_configured(db: Database, hosts: int) -> None:
    driver = a_driver(db, hosts=hosts)

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
