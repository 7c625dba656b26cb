"""Volumes and snapshots, made into what the API shows."""

from collections.abc import Iterable

from pileus.api.context import AppState
from pileus.api.wire.storage.snapshots import LegacySnapshotView, SnapshotView
from pileus.api.wire.storage.volume_views import LegacyVolumeView, VolumeView
from pileus.domain.errors import Unavailable
from pileus.domain.storage.volume_details import VolumeDetails
from pileus.domain.storage.volumes import Snapshot, Volume
from pileus.domain.tags import Tag


def show(cloud: AppState, volume: Volume, parts: VolumeDetails) -> VolumeView:
    """Show a volume, under its older names too if the server is set so."""
    volume_type = cloud.catalogue.volume_type(volume.type_name)
    limits = volume_type.limits(volume.size) if volume_type else None
    view = LegacyVolumeView if cloud.legacy_fields else VolumeView
    return view.of(volume, parts, _region(cloud, volume.region_id), limits)


def show_snapshot(cloud: AppState, snapshot: Snapshot, tags: Iterable[Tag]) -> SnapshotView:
    """Show a snapshot, under its older names too if the server is set so."""
    view = LegacySnapshotView if cloud.legacy_fields else SnapshotView
    return view.of(snapshot, tags, _region(cloud, snapshot.region_id))


def _region(cloud: AppState, region_id: int) -> str:
    region = cloud.catalogue.region(region_id)
    if region is None:
        raise Unavailable(f"Region {region_id} is missing from the catalogue")
    return region.display_name
