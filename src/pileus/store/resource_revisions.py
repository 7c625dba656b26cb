"""Ids and revisions of records of any kind, for the comparison with what drivers have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

IDS_PER_STATEMENT = 500
R = TypeVar("R", bound=Struct)


@dataclass(frozen=True, slots=True)
class ResourceRecords:
    """The records of a table that a driver must have."""

    table: Table[Any]
    condition: str = "1 = 1"


async def list_unlocked(
    tx: Tx, records: ResourceRecords, region_ids: Sequence[int], after: str, limit: int
) -> dict[str, int]:
    """Return the revisions of the next records in some regions that no task has locked, by id, in their order."""
    marks, regions = in_list_placeholders("region", region_ids)
    rows = await tx.all(
        f"SELECT id, revision FROM {records.table.name} WHERE id > :after AND region_id IN ({marks})"
        f" AND task_id IS NULL AND {records.condition} ORDER BY id LIMIT :limit",
        after=after,
        limit=limit,
        **regions,
    )
    return {row[0]: row[1] for row in rows}


async def list_known_ids(tx: Tx, table: Table[Any], ids: Sequence[str]) -> set[str]:
    """Return those of the ids that have a record, of any tenant and region."""
    known = set[str]()
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        marks, values = in_list_placeholders("id", ids[start : start + IDS_PER_STATEMENT])
        known.update(row[0] for row in await tx.all(f"SELECT id FROM {table.name} WHERE id IN ({marks})", **values))
    return known


async def list_by_id(tx: Tx, table: Table[R], ids: Sequence[str]) -> list[R]:
    """Return the records with these ids."""
    records: list[R] = []
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        marks, values = in_list_placeholders("id", ids[start : start + IDS_PER_STATEMENT])
        records += await table.find_many(tx, f"id IN ({marks})", **values)
    return records
