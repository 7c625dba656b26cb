"""Snapshots as the API returns them."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import asdict

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import legacy_tag_fields
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

    @classmethod
    def of(cls, snapshot: Snapshot, tags: Iterable[Tag], region_name: str) -> "SnapshotView":
        """Make the view of a snapshot."""
        return make_view(cls, snapshot, tags=tag_views(tags), **common_view_fields(snapshot, region_name))


class LegacySnapshotView(SnapshotView, kw_only=True):
    """A snapshot with the fields that older clients read."""

    metadata: dict[str, str]
    metadata_detailed: list[TagView]

    @classmethod
    def of(cls, snapshot: Snapshot, tags: Iterable[Tag], region_name: str) -> "LegacySnapshotView":
        """Make the view of a snapshot with the older fields."""
        view = SnapshotView.of(snapshot, tags, region_name)
        return cls(**asdict(view), **legacy_tag_fields(view.tags))
