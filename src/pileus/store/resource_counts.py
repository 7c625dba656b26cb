"""Reads of the counts that `table_counts.py` declares.

Those for decisions include what the transaction has not written yet; those for lists do not, as a list writes nothing.
"""

from collections.abc import Sequence

from pileus.domain.places import Place
from pileus.store.count_changes import CountScope
from pileus.store.database import Tx
from pileus.store.rows import in_list_placeholders

Counts = dict[tuple[str, str], int]
"""Counts by name and part."""
LIST = "SELECT name, part, value FROM resource_counts"
BY_REGION = """
SELECT region_id, part, sum(value) FROM resource_counts WHERE scope = 'shard' AND name = :name
GROUP BY region_id, part HAVING sum(value) <> 0 ORDER BY region_id, part
"""
OF_PROJECT = """
SELECT sum(value) FROM resource_counts
WHERE scope = 'project' AND region_id = :region_id AND owner_id = :project_id AND name = :name
    AND EXISTS (SELECT 1 FROM projects WHERE id = :project_id AND client_id = :client_id)
"""


async def list_of_tenant(tx: Tx, client_id: int, region_id: int) -> Counts:
    """Return the counts of a tenant in a region."""
    return await _list(tx, CountScope.TENANT, region_id=region_id, owner_id=client_id)


async def list_of_all_tenants(tx: Tx, region_id: int | None = None, name: str | None = None) -> Counts:
    """Return the counts of all tenants together, in a region or in all of them, those with a name or all."""
    return await _list(tx, CountScope.SHARD, region_id=region_id, name=name)


async def list_by_region(tx: Tx, name: str) -> dict[tuple[int, str], int]:
    """Return the written counts of all tenants together that have a name, by region and part, without those of 0."""
    rows = await tx.all(BY_REGION, name=name)
    return {(region_id, part): int(value) for region_id, part, value in rows}


async def count_of_project(tx: Tx, place: Place, name: str, parts: Sequence[str] = ("",)) -> int:
    """Return a written count of a project in a region; 0 if the project is not the tenant's."""
    marks, values = in_list_placeholders("part", parts)
    row = await tx.one(
        f"{OF_PROJECT} AND part IN ({marks})",
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=name,
        **values,
    )
    return int(row[0] or 0) if row else 0


async def _list(
    tx: Tx, scope: CountScope, *, region_id: int | None = None, owner_id: int | None = None, name: str | None = None
) -> Counts:
    """Return the sums of the counts of a scope whose key has some values; None stands for any."""
    values = {"scope": scope.value, "region_id": region_id, "owner_id": owner_id, "name": name}
    given = {column: value for column, value in values.items() if value is not None}
    where = " AND ".join([f"{column} = :{column}" for column in given])
    counts: Counts = {}
    for count_name, part, value in await tx.all(f"{LIST} WHERE {where}", **given):
        counts[count_name, part] = counts.get((count_name, part), 0) + int(value)
    for key, difference in tx.count_changes.select(scope, region_id=region_id, owner_id=owner_id, name=name):
        counts[key.name, key.part] = counts.get((key.name, key.part), 0) + difference
    return counts
