"""The data directories that hold the machines of drivers."""

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table


class DriverHome(Struct, frozen=True, kw_only=True):
    """The data directory of a driver's machines; `place` is its path and host when it was first used."""

    driver: str
    home_id: str
    place: str
    created_at: int


TABLE = Table("driver_homes", DriverHome, key="driver")


async def get_or_add(tx: Tx, home: DriverHome) -> DriverHome:
    """Return the home of a driver; save the given one if there is none."""
    existing = await TABLE.find_one(tx, "driver = :driver", driver=home.driver)
    return existing or await TABLE.add(tx, home)
