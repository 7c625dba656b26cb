"""Volumes."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.errors import Stale
from pileus.domain.places import Place
from pileus.domain.storage.volumes import Volume
from pileus.store import queries, scoped
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.scoped import IN_PLACE, place_params

KIND = "volume"
TABLE = Table("volumes", Volume)
HANGS = "EXISTS (SELECT 1 FROM attachments a WHERE a.volume_id = volumes.id{more})"
IN_CLUSTER = f"{queries.TAGGED}'{KIND}' AND key = 'cluster_id' AND value = :cluster_id)"


class VolumeFilter(Struct, frozen=True, kw_only=True):
    """Which volumes of a place are asked for; what is not given does not matter."""

    bootable: bool | None = None
    has_attachments: bool | None = None
    instance_id: str | None = None
    cluster_id: str | None = None
    id_part: str | None = None
    name_part: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """The same as a condition."""
        where = queries.Where(IN_PLACE, **place_params(place))
        where.equal("bootable", None if self.bootable is None else int(self.bootable))
        if self.has_attachments is not None:
            where.add(("" if self.has_attachments else "NOT ") + HANGS.format(more=""))
        if self.instance_id is not None:
            where.add(HANGS.format(more=" AND a.instance_id = :instance_id"), instance_id=self.instance_id)
        if self.cluster_id is not None:
            where.add(IN_CLUSTER, cluster_id=self.cluster_id)
        where.contains("id", self.id_part).contains("name", self.name_part)
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, volume_id: str) -> Volume:
    """One volume of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Volume", place, volume_id)


async def find(tx: Tx, volume_id: str) -> Volume | None:
    """One volume, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=volume_id)


async def add(tx: Tx, volume: Volume) -> Volume:
    """Insert a volume."""
    return await TABLE.add(tx, volume)


async def save(tx: Tx, before: Volume, after: Volume) -> Volume:
    """Write what changed, and what was used until then if it cost something else; raises Stale."""
    if before.size != after.size or before.type_name != after.type_name:
        await metering.close_usage(tx, [before], after.updated_at)
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, volume_id: str) -> None:
    """Delete a volume's own row; it is in no lifecycle policy any more."""
    for table in ("policy_volumes", "due_snapshots"):
        await tx.run(f"DELETE FROM {table} WHERE volume_id = :id", id=volume_id)  # names of our own
    await TABLE.remove(tx, volume_id)


async def page(tx: Tx, place: Place, filters: VolumeFilter, *, limit: int, offset: int) -> tuple[int, list[Volume]]:
    """How many volumes a place has, and some of them, the latest first."""
    return await queries.query_page(
        tx, TABLE, filters.where(place), queries.order_by("created_at.desc"), limit=limit, offset=offset
    )


async def bump_revision(tx: Tx, volume: Volume) -> None:
    """Make sure that nobody changes a volume at the same time, or else decides again; raises Stale."""
    statement = "UPDATE volumes SET revision = revision + 1 WHERE id = :id AND revision = :revision"
    if not await tx.run(statement, id=volume.id, revision=volume.revision):
        raise Stale(f"Volume {volume.id} was changed by another request")
