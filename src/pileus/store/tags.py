"""The tags of every kind of resource, in one table."""

from collections.abc import Sequence
from functools import cache

from pileus.domain.places import Place
from pileus.domain.tags import Tag, TagPatch, Tags, merged_tags
from pileus.store.compute import instance_stamps
from pileus.store.database import Tx
from pileus.store.rows import ROWS_PER_INSERT, in_list_placeholders


async def list_by_resource(tx: Tx, resource_id: str) -> dict[str, Tag]:
    """Return the tags of a resource, sorted by key."""
    rows = await tx.all("SELECT key, value, read_only FROM tags WHERE resource_id = :id", id=resource_id)
    # Sorted here, because databases collate differently.
    return {key: Tag(key, value, bool(read_only)) for key, value, read_only in sorted(rows)}


async def list_by_resources(tx: Tx, ids: Sequence[str]) -> dict[str, list[Tag]]:
    """Return the tags of many resources, sorted by key."""
    marks, values = in_list_placeholders("id", ids)
    tags: dict[str, list[Tag]] = {resource_id: [] for resource_id in ids}
    rows = await tx.all(
        f"SELECT key, value, read_only, resource_id FROM tags WHERE resource_id IN ({marks})",
        **values,
    )
    for key, value, read_only, resource_id in sorted(rows):
        tags[resource_id].append(Tag(key, value, bool(read_only)))
    return tags


async def save(tx: Tx, kind: str, place: Place, resource_id: str, before: Tags, after: Tags) -> None:
    """Write the difference between two states of a resource's tags, in key order so that writers do not deadlock."""
    written: list[Tag] = []
    for key in sorted(before.keys() | after.keys()):
        tag = after.get(key)
        if tag is None:
            await _upsert(tx, kind, place, resource_id, written)
            written = []
            await tx.send("DELETE FROM tags WHERE resource_id = :id AND key = :key", id=resource_id, key=key)
        elif before.get(key) != tag:
            written.append(tag)
    await _upsert(tx, kind, place, resource_id, written)
    if kind == instance_stamps.KIND and before != after:
        await instance_stamps.bump(tx, instance_stamps.ITSELF, id=resource_id)


async def patch(tx: Tx, kind: str, place: Place, resource_id: str, changes: TagPatch | None) -> Tags:
    """Apply a JSON merge patch to a resource's tags and return the result."""
    before = await list_by_resource(tx, resource_id)
    after = merged_tags(before, changes)
    await save(tx, kind, place, resource_id, before, after)
    return after


async def add(tx: Tx, kind: str, place: Place, resource_id: str, tags: Tags) -> None:
    """Insert the tags of a new resource."""
    await save(tx, kind, place, resource_id, {}, tags)


async def _upsert(tx: Tx, kind: str, place: Place, resource_id: str, tags: Sequence[Tag]) -> None:
    for start in range(0, len(tags), ROWS_PER_INSERT):
        batch = tags[start : start + ROWS_PER_INSERT]
        statement, names = _upsert_statement(len(batch))
        values = [value for tag in batch for value in (tag.key, tag.value, int(tag.read_only))]
        await tx.send(
            statement,
            id=resource_id,
            kind=kind,
            project_id=place.project_id,
            region_id=place.region_id,
            **dict(zip(names, values, strict=True)),
        )


@cache
def _upsert_statement(count: int) -> tuple[str, list[str]]:
    """Return the statement that writes so many tags, and the names of their parameters, in their order."""
    names = [(f"key_{number}", f"value_{number}", f"read_only_{number}") for number in range(count)]
    rows = ", ".join(f"(:id, :{key}, :{value}, :{flag}, :kind, :project_id, :region_id)" for key, value, flag in names)
    statement = (
        f"INSERT INTO tags (resource_id, key, value, read_only, kind, project_id, region_id) VALUES {rows}"
        " ON CONFLICT (resource_id, key) DO UPDATE SET value = excluded.value, read_only = excluded.read_only"
    )
    return statement, [name for row in names for name in row]


async def remove(tx: Tx, resource_id: str) -> None:
    """Delete the tags of a resource that is deleted too."""
    await tx.run("DELETE FROM tags WHERE resource_id = :id", id=resource_id)
