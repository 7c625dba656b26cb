"""Volumes and snapshots of the simulated driver: each verb names an end state and can be repeated."""

import pytest

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import (
    DiskSpec,
    SupportsSnapshots,
    SupportsVolumeResize,
    SupportsVolumeRetype,
    SupportsVolumes,
)
from pileus.drivers.simulated.driver import Simulated
from pileus.store.database import Database
from tests.simulated_cloud import a_driver, find_simulated_volume

DISK = DiskSpec(id="v-1", size=10, type_name="standard")
MACHINE = MachineSpec(id="m-1", name="web", flavor_id="g1-standard-1-2", vcpus=1, ram=2048)


@pytest.fixture
def driver(db: Database) -> Simulated:
    return a_driver(db)


def test_it_has_all_abilities_of_storage(driver: Simulated) -> None:
    assert all(
        isinstance(driver, ability)
        for ability in (SupportsVolumes, SupportsVolumeResize, SupportsVolumeRetype, SupportsSnapshots)
    )


async def test_every_call_for_a_volume_can_be_repeated(db: Database, driver: Simulated) -> None:
    await driver.ensure_running_machine(MACHINE)
    for _ in range(2):
        await driver.ensure_volume(DISK)
    for _ in range(2):
        await driver.ensure_volume_attachment("m-1", DISK)
        await driver.ensure_volume_size("v-1", 20)
        await driver.ensure_volume_type("v-1", "ssd_hiiops")
    assert await find_simulated_volume(db, "v-1") == (20, "ssd_hiiops", "m-1", None)

    for _ in range(2):
        await driver.ensure_no_volume_attachment("m-1", "v-1")
    assert await find_simulated_volume(db, "v-1") == (20, "ssd_hiiops", None, None)

    for _ in range(2):
        await driver.ensure_no_volume("v-1")
    assert await find_simulated_volume(db, "v-1") is None


async def test_every_call_for_a_snapshot_can_be_repeated(db: Database, driver: Simulated) -> None:
    await driver.ensure_volume(DISK)
    for _ in range(2):
        await driver.ensure_snapshot("s-1", "v-1")
        await driver.ensure_reverted_volume("v-1", "s-1", "request")
    assert await driver.volume_ids_by_snapshot_id() == {"s-1": "v-1"}
    assert await find_simulated_volume(db, "v-1") == (10, "standard", None, "request")

    for _ in range(2):
        await driver.ensure_no_snapshot("s-1")
    assert await driver.volume_ids_by_snapshot_id() == {}


async def test_unknown_volumes_and_snapshots_are_errors(driver: Simulated) -> None:
    await driver.ensure_volume(DISK)

    for call in (
        driver.ensure_volume_size("v-2", 20),
        driver.ensure_volume_type("v-2", "cold"),
        driver.ensure_snapshot("s-1", "v-2"),
        driver.ensure_reverted_volume("v-1", "s-1", "request"),
        driver.ensure_volume_attachment("m-1", DiskSpec(id="v-2", size=1, type_name="standard")),
    ):
        with pytest.raises(DriverError, match="does not exist") as failure:
            await call
        assert not failure.value.retryable


async def test_changes_take_realistic_time_and_none_if_nothing_changes(db: Database) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    driver = a_driver(db, sleep=sleep)
    await driver.set_transition_time("realistic")
    for _ in range(2):
        await driver.ensure_volume(DISK)
        await driver.ensure_volume_size("v-1", 20)
        await driver.ensure_volume_type("v-1", "ssd_hiiops")
        await driver.ensure_snapshot("s-1", "v-1")
        await driver.ensure_reverted_volume("v-1", "s-1", "request")

    assert slept == [5.0, 4.0, 6.0, 5.0, 6.0]
