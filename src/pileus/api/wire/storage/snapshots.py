"""Snapshots as the API returns them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField, legacy_tag_fields
from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.storage.volumes import Snapshot
from pileus.domain.tags import Tag


class SnapshotView(Struct, kw_only=True):
    """A snapshot. `task_id` is the task that has locked it, `creator_task_id` the task that created it."""

    id: str
    name: str
    description: str | None
    status: str
    size: int
    volume_id: str
    tags: list[TagView]
    region: str
    region_id: int
    project_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    metadata: LegacyField[dict[str, str]]
    metadata_detailed: LegacyField[list[TagView]]

    @classmethod
    def of(cls, snapshot: Snapshot, tags: Iterable[Tag], region_name: str) -> "SnapshotView":
        """Make the view of a snapshot."""
        tag_list = tag_views(tags)
        common_fields = common_view_fields(snapshot, region_name)
        return make_view(cls, snapshot, tags=tag_list, **legacy_tag_fields(tag_list), **common_fields)
