"""Placement groups and their members."""

from collections.abc import Sequence

from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.domain.places import Place
from pileus.store import queries, resource_counts, scoped
from pileus.store.compute import instance_stamps
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.table_counts import HOST_LOAD

TABLE = Table("placement_groups", PlacementGroup)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save = TABLE.add, TABLE.save


async def get(tx: Tx, place: Place, group_id: str) -> PlacementGroup:
    """Return a group of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Placement group", place, group_id)


async def get_for_use(tx: Tx, place: Place, group_id: str) -> PlacementGroup:
    """Return a group of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Placement group", place, group_id, lock=FOR_USE)


async def page(tx: Tx, place: Place, *, limit: int, offset: int) -> tuple[int, list[PlacementGroup]]:
    """Return the number of a place's groups and one page, oldest first."""
    where = queries.Where.of_place(place)
    return await queries.page(
        tx, TABLE, where, queries.order_by_expression("created_at.asc"), limit=limit, offset=offset
    )


async def list_members_by_group(tx: Tx, ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return the members of groups as ids and names, oldest first."""
    members: dict[str, list[tuple[str, str]]] = {group_id: [] for group_id in ids}
    marks, values = in_list_placeholders("id", ids)
    rows = await tx.all(
        "SELECT placement_group_id, id, name FROM instances"
        f" WHERE placement_group_id IN ({marks}) ORDER BY created_at, id",
        **values,
    )
    for group_id, instance_id, name in rows:
        members[group_id].append((instance_id, name))
    return members


async def count_members(tx: Tx, group_id: str) -> int:
    """Count the members of a group."""
    row = await tx.one("SELECT count(*) FROM instances WHERE placement_group_id = :id", id=group_id)
    return int(row[0]) if row else 0


async def remove(tx: Tx, group_id: str) -> None:
    """Delete a group and take its members out of it."""
    await instance_stamps.bump(tx, instance_stamps.OF_PLACEMENT_GROUP, id=group_id)
    tx.saved_instances.clear()
    await tx.run(
        "UPDATE instances SET placement_group_id = NULL, revision = revision + 1 WHERE placement_group_id = :id",
        id=group_id,
    )
    await TABLE.remove(tx, group_id)


async def bump_revision(tx: Tx, group: PlacementGroup) -> PlacementGroup:
    """Increase the revision, so that decisions about a group's members do not run concurrently; raises Stale."""
    return await TABLE.bump_revision(tx, group)


async def list_member_hosts(tx: Tx, group_id: str, except_instance_id: str) -> list[str]:
    """Return the hosts of a group's members, one member left out."""
    rows = await tx.all(
        "SELECT host FROM instances WHERE placement_group_id = :id AND id <> :but AND host IS NOT NULL",
        id=group_id,
        but=except_instance_id,
    )
    return [row[0] for row in rows]


async def count_instances_by_host(tx: Tx, region_id: int) -> dict[str, int]:
    """Count the instances on each host of a region."""
    counts = await resource_counts.list_of_all_tenants(tx, region_id, HOST_LOAD)
    return {host: count for (_, host), count in counts.items()}
