"""Volumes."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.places import Place
from pileus.domain.storage.volumes import Volume, VolumeStatus
from pileus.store import queries, scoped
from pileus.store.account import metering
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table

KIND = "volume"
TABLE = Table("volumes", Volume)
find, require = TABLE.find_by_id, TABLE.require_by_id
add = TABLE.add
SAVE_AS_IN_USE = """
UPDATE volumes SET status = :status, task_id = NULL, updated_at = :now, revision = revision + 1
WHERE id IN (SELECT volume_id FROM attachments WHERE instance_id = :instance_id)
"""
ATTACHED = "EXISTS (SELECT 1 FROM attachments a WHERE a.volume_id = volumes.id{more})"


class VolumeFilter(Struct, frozen=True, kw_only=True):
    """Filters of a place's volumes; None adds no condition."""

    bootable: bool | None = None
    has_attachments: bool | None = None
    instance_id: str | None = None
    cluster_id: str | None = None
    id_part: str | None = None
    name_part: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where.of_place(place)
        where.equal("bootable", None if self.bootable is None else int(self.bootable))
        if self.has_attachments is not None:
            where.add(("" if self.has_attachments else "NOT ") + ATTACHED.format(more=""))
        if self.instance_id is not None:
            where.add(ATTACHED.format(more=" AND a.instance_id = :instance_id"), instance_id=self.instance_id)
        if self.cluster_id is not None:
            where.with_matching_tag(KIND, "key = 'cluster_id' AND value = :cluster_id", cluster_id=self.cluster_id)
        where.contains("id", self.id_part).contains("name", self.name_part)
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, volume_id: str) -> Volume:
    """Return a volume of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Volume", place, volume_id)


async def get_for_use(tx: Tx, place: Place, volume_id: str) -> Volume:
    """Return a volume of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Volume", place, volume_id, lock=FOR_USE)


async def get_for_change(tx: Tx, place: Place, volume_id: str) -> Volume:
    """Return a volume of a place like `get`; nobody else uses it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Volume", place, volume_id, lock=FOR_CHANGE)


async def save(tx: Tx, before: Volume, after: Volume) -> Volume:
    """Write the changed fields; raises Stale.

    Billing: a new size or type closes the usage of the old one.
    """
    if before.size != after.size or before.type_name != after.type_name:
        await metering.save_usage_until_now(tx, [before], after.updated_at)
    return await TABLE.save(tx, before, after)


async def save_as_in_use(tx: Tx, instance_id: str, now: int) -> None:
    """Save all volumes of a new instance, which the calling task has locked, as used and unlocked."""
    await tx.send(SAVE_AS_IN_USE, instance_id=instance_id, status=VolumeStatus.IN_USE.value, now=now)


async def remove(tx: Tx, volume_id: str) -> None:
    """Delete a volume and take it out of its lifecycle policies; waits for transactions that put it into one."""
    await TABLE.find_one(tx, f"id = :id {FOR_CHANGE}", id=volume_id)
    for table in ("policy_volumes", "due_snapshots"):
        await tx.send(f"DELETE FROM {table} WHERE volume_id = :id", id=volume_id)
    await TABLE.remove(tx, volume_id)


async def page(tx: Tx, place: Place, filters: VolumeFilter, *, limit: int, offset: int) -> tuple[int, list[Volume]]:
    """Return the number of matching volumes and one page of them, newest first."""
    return await queries.page(
        tx, TABLE, filters.where(place), queries.order_by_expression("created_at.desc"), limit=limit, offset=offset
    )


async def bump_revision(tx: Tx, volume: Volume) -> Volume:
    """Increase the revision, so that the volume does not change concurrently; raises Stale."""
    return await TABLE.bump_revision(tx, volume)
