"""Make the views of volumes and snapshots."""

from collections.abc import Iterable

from pileus.api.context import AppState, RequestContext
from pileus.api.wire.storage.snapshots import SnapshotView
from pileus.api.wire.storage.volumes import VolumeView
from pileus.domain.errors import Unavailable
from pileus.domain.storage.volume_details import VolumeDetails
from pileus.domain.storage.volumes import Snapshot, Volume
from pileus.domain.tags import Tag
from pileus.store.storage import volume_details, volumes


async def read_volume_view(ctx: RequestContext, volume_id: str) -> VolumeView:
    """Read a volume in a transaction of its own. Raises NotFound."""
    async with ctx.db.read() as tx:
        volume = await volumes.get(tx, ctx.place, volume_id)
        return volume_view(ctx.app, volume, await volume_details.get(tx, volume))


def volume_view(state: AppState, volume: Volume, details: VolumeDetails) -> VolumeView:
    """Make the view of a volume. Raises Unavailable if the catalogue lacks its region."""
    volume_type = state.catalogue.volume_type(volume.type_name)
    limits = volume_type.performance_limits(volume.size) if volume_type else None
    return VolumeView.of(volume, details, _region_name(state, volume.region_id), limits)


def snapshot_view(state: AppState, snapshot: Snapshot, tags: Iterable[Tag]) -> SnapshotView:
    """Make the view of a snapshot. Raises Unavailable if the catalogue lacks its region."""
    return SnapshotView.of(snapshot, tags, _region_name(state, snapshot.region_id))


def _region_name(state: AppState, region_id: int) -> str:
    region = state.catalogue.region(region_id)
    if region is None:
        raise Unavailable(f"Region {region_id} is missing from the catalogue")
    return region.display_name
