"""The records of the simulated cloud, for its driver."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

from msgspec import Struct

from pileus.domain.simulated_cloud import (
    SimulatedFileShare,
    SimulatedImage,
    SimulatedMachine,
    SimulatedMachineState,
    SimulatedNetworkPart,
    SimulatedProtection,
    SimulatedSetting,
    SimulatedShareRule,
    SimulatedSnapshot,
    SimulatedVolume,
)
from pileus.store import counters, tasks
from pileus.store.database import FOR_CHANGE, Database, Tx
from pileus.store.open_transactions import read_once_joined
from pileus.store.rows import Table, in_list_placeholders

R = TypeVar("R", bound=Struct)
T = TypeVar("T")
MACHINES = Table("simulated_machines", SimulatedMachine)
VOLUMES = Table("simulated_volumes", SimulatedVolume)
SNAPSHOTS = Table("simulated_snapshots", SimulatedSnapshot)
IMAGES = Table("simulated_images", SimulatedImage)
NETWORK_PARTS = Table("simulated_network_parts", SimulatedNetworkPart)
PROTECTIONS = Table("simulated_protections", SimulatedProtection)
FILE_SHARES = Table("simulated_file_shares", SimulatedFileShare)
SHARE_RULES = Table("simulated_share_rules", SimulatedShareRule)
SETTINGS = Table("simulated_settings", SimulatedSetting)
TABLES: dict[type[Struct], Table[Any]] = {
    SimulatedMachine: MACHINES,
    SimulatedMachineState: Table(MACHINES.name, SimulatedMachineState),
    SimulatedVolume: VOLUMES,
    SimulatedSnapshot: SNAPSHOTS,
    SimulatedImage: IMAGES,
    SimulatedNetworkPart: NETWORK_PARTS,
    SimulatedProtection: PROTECTIONS,
    SimulatedFileShare: FILE_SHARES,
    SimulatedShareRule: SHARE_RULES,
    SimulatedSetting: SETTINGS,
}
KEYS: dict[type[Struct], tuple[str, ...]] = {
    SimulatedNetworkPart: ("kind", "id"),
    SimulatedProtection: ("region_id", "ip_address"),
    SimulatedSetting: ("name",),
}
"""The primary keys other than `id`."""


class StoredRecords:
    """Fulfils `Records` of `drivers/protocols/records.py` in a transaction."""

    def __init__(self, tx: Tx, lock: str = "") -> None:
        self._tx = tx
        self._lock = lock

    async def find(self, record_type: type[R], **where: str | int) -> R | None:
        """Return a record, locked if this is a write."""
        table: Table[R] = TABLES[record_type]
        return await table.find_one(self._tx, f"{_equal(tuple(where))} LIMIT 1 {self._lock}", **where)

    async def find_all(self, record_type: type[R], **where: str | int | Sequence[str]) -> list[R]:
        """Return all records for which a condition holds."""
        read = partial(self._find_all, record_type, where)
        # Each change of a machine or a volume reads the settings, and none changes them.
        if record_type is not SimulatedSetting:
            return await read()
        return await read_once_joined(f"simulated settings {where}", read)

    async def _find_all(self, record_type: type[R], where: Mapping[str, str | int | Sequence[str]]) -> list[R]:
        table: Table[R] = TABLES[record_type]
        conditions: list[str] = []
        values: dict[str, str | int] = {}
        for field, value in where.items():
            choices = [value] if isinstance(value, str | int) else value
            marks, parameters = in_list_placeholders(field, choices)
            conditions.append(f"{field} IN ({marks})")
            values |= parameters
        return await table.find(self._tx, " AND ".join(conditions) or "1 = 1", **values)

    async def list_page(self, record_type: type[R], field: str, after: str | int, limit: int) -> list[R]:
        """Return the next records in the order of a field."""
        table: Table[R] = TABLES[record_type]
        where = f"{field} > :after ORDER BY {field} LIMIT :limit"
        return await table.find(self._tx, where, after=after, limit=limit)

    async def save(self, record: Struct, *, replaces: bool = True) -> bool:
        """Insert or replace a record; return whether it was saved."""
        statement = (_upsert if replaces else _insert_if_missing)(type(record))
        return bool(await self._tx.run(statement, **TABLES[type(record)].column_values(self._tx, record)))

    async def add_all(self, records: Sequence[Struct]) -> None:
        """Insert records of one type, many by one statement."""
        if records:
            await TABLES[type(records[0])].add_all(self._tx, records)

    async def update(self, record_type: type[Struct], changes: Mapping[str, Any], **where: str | int) -> int:
        """Change fields of the records for which a condition holds."""
        table = TABLES[record_type]
        values = {f"new_{field}": table.column_value(self._tx, field, value) for field, value in changes.items()}
        assignments = ", ".join(f"{field} = :new_{field}" for field in changes)
        return await self._tx.run(
            f"UPDATE {table.name} SET {assignments} WHERE {_equal(tuple(where))}", **values, **where
        )

    async def remove(self, record_type: type[Struct], **where: str | int) -> None:
        """Delete the records for which a condition holds."""
        await self._tx.run(f"DELETE FROM {TABLES[record_type].name} WHERE {_equal(tuple(where))}", **where)

    async def increment(self, counter: str) -> int:
        """Increment a counter, which stays locked until the transaction ends."""
        return await counters.increment(self._tx, f"simulated_{counter}")


class SimulatedCloudStore:
    """Fulfils `RecordStore` of `drivers/protocols/records.py` by a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self) -> AbstractAsyncContextManager[StoredRecords]:
        """Look up single records."""
        return _open_records(self._db.read())

    def scan(self) -> AbstractAsyncContextManager[StoredRecords]:
        """Read many records from one snapshot."""
        return _open_records(self._db.scan())

    async def write(self, work: Callable[[StoredRecords], Awaitable[T]]) -> T:
        """Change records in one transaction. Raises LeaseLostError for a worker that has lost its task."""
        # Transactions run in a context of their own.
        task = tasks.find_performed()

        async def write(tx: Tx) -> T:
            if task is not None:
                await tasks.check_lease(tx, task)
            return await work(StoredRecords(tx, FOR_CHANGE))

        return await self._db.write(write)


@asynccontextmanager
async def _open_records(transaction: AbstractAsyncContextManager[Tx]) -> AsyncIterator[StoredRecords]:
    async with transaction as tx:
        yield StoredRecords(tx)


@lru_cache(maxsize=128)
def _equal(fields: tuple[str, ...]) -> str:
    return " AND ".join(f"{field} = :{field}" for field in fields) or "1 = 1"


@lru_cache(maxsize=16)
def _upsert(record_type: type[Struct]) -> str:
    table, key = TABLES[record_type], _key(record_type)
    assignments = ", ".join(f"{field} = excluded.{field}" for field in table.fields if field not in key)
    return f"{_insert(table)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {assignments}"


@lru_cache(maxsize=16)
def _insert_if_missing(record_type: type[Struct]) -> str:
    return f"{_insert(TABLES[record_type])} ON CONFLICT ({', '.join(_key(record_type))}) DO NOTHING"


def _insert(table: Table[Any]) -> str:
    return f"INSERT INTO {table.name} ({table.columns}) VALUES ({', '.join(f':{field}' for field in table.fields)})"


def _key(record_type: type[Struct]) -> tuple[str, ...]:
    return KEYS.get(record_type, ("id",))
