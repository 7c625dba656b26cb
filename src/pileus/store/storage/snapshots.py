"""Snapshots of volumes."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.places import Place
from pileus.domain.storage.volumes import Snapshot
from pileus.store import queries, scoped
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table

KIND = "snapshot"
TABLE = Table("snapshots", Snapshot)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save, remove = TABLE.add, TABLE.save, TABLE.remove
BUMP_REVISION = "revision = revision + 1"
"""Part of each UPDATE of snapshots: whoever has read one before it decides again."""
OF_INSTANCE = "volume_id IN (SELECT volume_id FROM attachments WHERE instance_id = :instance_id)"


class SnapshotFilter(Struct, frozen=True, kw_only=True):
    """Filters of a place's snapshots; None adds no condition."""

    volume_id: str | None = None
    instance_id: str | None = None
    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None
    tag_keys: Sequence[str] = ()
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where.of_place(place).equal("volume_id", self.volume_id)
        where.equal("schedule_id", self.schedule_id).equal("lifecycle_policy_id", self.lifecycle_policy_id)
        if self.instance_id is not None:
            where.add(OF_INSTANCE, instance_id=self.instance_id)
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, snapshot_id: str) -> Snapshot:
    """Return a snapshot of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Snapshot", place, snapshot_id)


async def get_for_change(tx: Tx, place: Place, snapshot_id: str) -> Snapshot:
    """Return a snapshot of a place like `get`; nobody else uses it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Snapshot", place, snapshot_id, lock=FOR_CHANGE)


async def get_for_use(tx: Tx, place: Place, snapshot_id: str) -> Snapshot:
    """Return a snapshot of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Snapshot", place, snapshot_id, lock=FOR_USE)


async def find_for_change(tx: Tx, snapshot_id: str) -> Snapshot | None:
    """Return a snapshot, or None; nobody else uses it until the transaction ends."""
    return await TABLE.find_one(tx, f"id = :id {FOR_CHANGE}", id=snapshot_id)


async def find_new_volume_id(tx: Tx, snapshot_id: str) -> str | None:
    """Return the id of a volume that is being created from a snapshot, or None."""
    return await _find_new_volume_id(tx, ":snapshot_id", snapshot_id=snapshot_id)


async def find_new_volume_id_of_any(tx: Tx, volume_id: str) -> str | None:
    """Return the id of a volume that is being created from a snapshot of another volume, or None."""
    of_volume = "SELECT id FROM snapshots WHERE volume_id = :volume_id"
    return await _find_new_volume_id(tx, of_volume, volume_id=volume_id)


async def list_by_volume(tx: Tx, volume_id: str) -> list[Snapshot]:
    """Return a volume's snapshots, oldest first."""
    return await TABLE.find(tx, "volume_id = :volume_id ORDER BY created_at, id", volume_id=volume_id)


async def page(tx: Tx, place: Place, filters: SnapshotFilter, *, limit: int, offset: int) -> tuple[int, list[Snapshot]]:
    """Return the number of matching snapshots and one page of them, newest first."""
    latest = queries.order_by_expression("created_at.desc")
    return await queries.page(tx, TABLE, filters.where(place), latest, limit=limit, offset=offset)


async def _find_new_volume_id(tx: Tx, snapshot_ids: str, **values: str) -> str | None:
    where = f"snapshot_id IN ({snapshot_ids}) AND status = 'creating'"
    row = await tx.one(f"SELECT id FROM volumes WHERE {where} LIMIT 1", **values)
    return None if row is None else str(row[0])
