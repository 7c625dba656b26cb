"""Simulated drivers for tests, and what the records of the simulated cloud contain."""

from typing import Any

from pileus.domain.simulated_cloud import SimulatedVolume
from pileus.drivers.protocols.regions import RegionDrivers, RunningDriver
from pileus.drivers.simulated.driver import Simulated
from pileus.store.database import Database
from pileus.store.simulated_cloud import SimulatedCloudStore

COUNTS = """
SELECT (SELECT count(*) FROM simulated_machines), (SELECT count(*) FROM simulated_volumes),
    (SELECT count(*) FROM simulated_network_parts WHERE kind = 'nic')
"""


def a_driver(db: Database, **options: Any) -> Simulated:
    """Return a driver whose records are in a database."""
    return Simulated(SimulatedCloudStore(db), **options)


def drivers_of_regions(driver: Any, *region_ids: int, name: str = "simulated") -> RegionDrivers:
    """Return the drivers of a cloud whose regions, by default 1 and 2, have one driver."""
    return RegionDrivers([RunningDriver(name=name, driver=driver, region_ids=region_ids or (1, 2))])


async def count_machines_volumes_and_nics(db: Database) -> tuple[int, int, int]:
    """Return the numbers of machines, volumes and interfaces of the simulated cloud."""
    async with db.read() as tx:
        row = await tx.one(COUNTS)
    assert row is not None
    return row[0], row[1], row[2]


async def find_simulated_volume(db: Database, volume_id: str) -> tuple[int, str, str | None, str | None] | None:
    """Return size, type, machine, and the request of the last revert of a simulated volume."""
    async with SimulatedCloudStore(db).read() as records:
        volume = await records.find(SimulatedVolume, id=volume_id)
    return None if volume is None else (volume.size, volume.type_name, volume.machine_id, volume.reverted_for)
