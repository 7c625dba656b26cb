"""The data directories that hold the machines of drivers: one for each region, and the first one of each driver."""

from collections.abc import Mapping

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table


class DriverHome(Struct, frozen=True, kw_only=True):
    """The data directory that a driver has used first; `place` is its path and host at that time."""

    driver: str
    home_id: str
    place: str
    created_at: int


class RegionHome(Struct, frozen=True, kw_only=True):
    """The data directory with the machines of a region, and the address at which other servers reach its server."""

    region_id: int
    driver: str
    home_id: str
    place: str
    address: str
    updated_at: int


TABLE = Table("driver_homes", DriverHome, key="driver")
REGIONS = Table("region_homes", RegionHome, key="region_id")


async def get_or_add(tx: Tx, home: DriverHome) -> DriverHome:
    """Return the home of a driver; save the given one if there is none."""
    existing = await TABLE.find_one(tx, "driver = :driver", driver=home.driver)
    return existing or await TABLE.add(tx, home)


async def find_of_region(tx: Tx, region_id: int) -> RegionHome | None:
    """Return the home of a region, or None."""
    return await REGIONS.find_one(tx, "region_id = :region_id", region_id=region_id)


async def list_by_region(tx: Tx) -> Mapping[int, RegionHome]:
    """Return all homes by their region."""
    return {home.region_id: home for home in await REGIONS.find(tx, "1 = 1")}


async def save_of_region(tx: Tx, home: RegionHome) -> None:
    """Save the home of a region, or its new address."""
    await REGIONS.remove(tx, home.region_id)
    await REGIONS.add(tx, home)
