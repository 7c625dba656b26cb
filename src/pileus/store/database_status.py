"""The status of a database: the version of its schema, the homes of regions, and who holds the leases of jobs."""

from collections.abc import Callable

from msgspec import Struct

from pileus.store import driver_homes, leases
from pileus.store.database import Database
from pileus.store.driver_homes import RegionHome
from pileus.store.leases import Lease
from pileus.store.schema import load_migrations, read_schema_version

CURRENT, OLDER, NEWER, EMPTY, HELD, EXPIRED, LOCAL = "current", "older", "newer", "empty", "held", "expired", "local"


class StatusLine(Struct, frozen=True, kw_only=True):
    """The state of a part of the database."""

    subject: str
    state: str
    details: str


class DatabaseStatus:
    """Reads the status of a database of any version, and changes nothing."""

    def __init__(self, db: Database, system_now: Callable[[], int]) -> None:
        self._db = db
        self._system_now = system_now

    async def read(self) -> list[StatusLine]:
        """Return the schema first, then the homes by region and the leases by name."""
        async with self._db.scan() as tx:
            tables = {table for table, _ in await tx.all(self._db.columns_statement)}
            version = await read_schema_version(tx) if "schema_versions" in tables else 0
            homes = await driver_homes.list_by_region(tx) if driver_homes.REGIONS.name in tables else {}
            current = await leases.list_all(tx) if leases.TABLE.name in tables else []
        lines = [_describe_schema(version), *(_describe_home(homes[region_id]) for region_id in sorted(homes))]
        return lines + [self._describe_lease(lease) for lease in current]

    def _describe_lease(self, lease: Lease) -> StatusLine:
        seconds = (lease.expires_at - self._system_now()) / 1_000_000
        state, word = (HELD, "expires in") if seconds > 0 else (EXPIRED, "expired")
        ago = "" if seconds > 0 else " ago"
        details = f"{lease.holder}; {word} {abs(seconds):.0f} s{ago}"
        return StatusLine(subject=lease.name, state=state, details=details)


def _describe_home(home: RegionHome) -> StatusLine:
    return StatusLine(
        subject=f"machines of region {home.region_id}", state=LOCAL, details=f"{home.place}; {home.address}"
    )


def _describe_schema(version: int) -> StatusLine:
    newest = max(number for number, _, _ in load_migrations())
    if version == 0:
        state = EMPTY
    elif version == newest:
        state = CURRENT
    else:
        state = OLDER if version < newest else NEWER
    return StatusLine(subject=f"schema version {version}", state=state, details=f"this program has version {newest}")
