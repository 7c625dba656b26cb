"""Snapshots of volumes."""

from msgspec import Struct

from pileus.domain.places import Place
from pileus.domain.storage.volumes import Snapshot
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.scoped import IN_PLACE, place_params

KIND = "snapshot"
TABLE = Table("snapshots", Snapshot)
OF_INSTANCE = "volume_id IN (SELECT volume_id FROM attachments WHERE instance_id = :instance_id)"


class SnapshotFilter(Struct, frozen=True, kw_only=True):
    """Which snapshots of a place are asked for; what is not given does not matter."""

    volume_id: str | None = None
    instance_id: str | None = None
    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None

    def where(self, place: Place) -> queries.Where:
        """The same as a condition."""
        where = queries.Where(IN_PLACE, **place_params(place)).equal("volume_id", self.volume_id)
        where.equal("schedule_id", self.schedule_id).equal("lifecycle_policy_id", self.lifecycle_policy_id)
        return where if self.instance_id is None else where.add(OF_INSTANCE, instance_id=self.instance_id)


async def get(tx: Tx, place: Place, snapshot_id: str) -> Snapshot:
    """One snapshot of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Snapshot", place, snapshot_id)


async def add(tx: Tx, snapshot: Snapshot) -> Snapshot:
    """Insert a snapshot."""
    return await TABLE.add(tx, snapshot)


async def find(tx: Tx, snapshot_id: str) -> Snapshot | None:
    """One snapshot, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=snapshot_id)


async def list_by_volume(tx: Tx, volume_id: str) -> list[Snapshot]:
    """A volume's snapshots, from the oldest."""
    return await TABLE.find(tx, "volume_id = :volume_id ORDER BY created_at, id", volume_id=volume_id)


async def page(tx: Tx, place: Place, filters: SnapshotFilter, *, limit: int, offset: int) -> tuple[int, list[Snapshot]]:
    """How many snapshots a place has, and some of them, the latest first."""
    latest = queries.order_by("created_at.desc")
    return await queries.query_page(tx, TABLE, filters.where(place), latest, limit=limit, offset=offset)


async def save(tx: Tx, before: Snapshot, after: Snapshot) -> Snapshot:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, snapshot_id: str) -> None:
    """Delete a snapshot's own row."""
    await TABLE.remove(tx, snapshot_id)
