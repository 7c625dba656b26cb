"""Which driver has the resources of each region."""

from collections.abc import Sequence

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table


class RegionDriver(Struct, frozen=True, kw_only=True):
    """The driver of a region; `place` is the installation that it works on, if it can work on several."""

    region_id: int
    driver: str
    place: str


TABLE = Table("region_drivers", RegionDriver, key="region_id")
PROVIDED_TABLES = (
    "instances", "volumes", "snapshots", "images", "networks", "routers", "ports", "floating_ips", "load_balancers",
    "file_shares",
)  # fmt: skip
"""Tables of what drivers provide. What the catalogue offers has no project."""


async def find(tx: Tx, region_id: int) -> RegionDriver | None:
    """Return the driver of a region, if a server has had one."""
    return await TABLE.find_one(tx, "region_id = :region_id", region_id=region_id)


async def save(tx: Tx, driver: RegionDriver) -> None:
    """Save the driver of a region."""
    await tx.run(
        "INSERT INTO region_drivers (region_id, driver, place) VALUES (:region_id, :driver, :place)"
        " ON CONFLICT (region_id) DO UPDATE SET driver = excluded.driver, place = excluded.place",
        **TABLE.column_values(tx, driver),
    )


async def lock_host(tx: Tx, region_ids: Sequence[int]) -> None:
    """Lock the host that these regions share until the transaction ends: nobody else takes room of it meanwhile.

    Each region that a server has had is in the table.
    """
    await tx.lock("UPDATE region_drivers SET driver = driver WHERE region_id = :region_id", region_id=min(region_ids))


async def has_resources(tx: Tx, region_id: int) -> bool:
    """Return whether the driver of a region has anything. Security groups that tenants have made count."""
    conditions = [f"{table} WHERE project_id IS NOT NULL AND" for table in PROVIDED_TABLES]
    for table in [*conditions, "security_groups WHERE is_default = 0 AND"]:
        if await tx.one(f"SELECT 1 FROM {table} region_id = :region_id LIMIT 1", region_id=region_id):
            return True
    return False
