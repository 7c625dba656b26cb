"""The instances of a tenant in all projects and regions."""

from pileus.domain.compute.instances import Instance
from pileus.store.compute.instances import TABLE
from pileus.store.database import Tx
from pileus.store.queries import Where, is_last_page

FROM = "FROM projects p JOIN instances i ON i.project_id = p.id"


async def page(
    tx: Tx, client_id: int, *, name: str | None, instance_id: str | None, limit: int, offset: int
) -> tuple[int, list[tuple[Instance, str]]]:
    """Return the number of matching instances, and one page of them with the names of their projects, oldest first."""
    where = Where.in_scope("i").add("p.client_id = :client_id AND p.deleted_at IS NULL", client_id=client_id)
    where.contains("name", name).equal("id", instance_id)
    rows = await tx.all(
        f"SELECT p.name, {TABLE.qualified_columns('i')} {FROM} WHERE {where}"
        " ORDER BY i.created_at, i.id LIMIT :limit OFFSET :offset",
        **where.values,
        limit=limit,
        offset=offset,
    )
    instances = [(TABLE.record_from_row(tx, row[1:]), row[0]) for row in rows]
    if is_last_page(len(instances), limit, offset):
        return offset + len(instances), instances
    total = await tx.one(f"SELECT count(*) {FROM} WHERE {where}", **where.values)
    return (int(total[0]) if total else 0), instances
