"""File shares and their access rules as the API returns them."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField, legacy_tag_fields
from pileus.api.wire.tags import TagView, tag_views
from pileus.api.wire.times import format_with_microseconds
from pileus.domain.storage.file_shares import PROTOCOL, AccessRule, FileShare, FileShareType, ShareNetwork
from pileus.domain.tags import Tag

VOLUME_TYPES = {FileShareType.STANDARD: "default_share_type", FileShareType.VAST: "vast_share_type"}
"""The older names of the types."""


class StandardShareSettingsView(Struct, kw_only=True, tag_field="type_name", tag="standard"):
    """A standard file share has no settings."""


class VastShareSettingsView(Struct, kw_only=True, tag_field="type_name", tag="vast"):
    """The settings of a VAST file share."""

    root_squash: bool
    path_length: str
    allowed_characters: str
    trash_access: bool


class ShareNetworkView(Struct, kw_only=True):
    """Where a file share is reached."""

    network_id: str
    network_name: str
    subnet_id: str
    subnet_name: str


class FileShareView(Struct, kw_only=True):
    """A file share. `task_id` is the task that has locked it, `creator_task_id` the task that created it.

    A VAST file share is reached on the storage network of the region, which is no network of the project.
    """

    id: str
    name: str
    status: str
    size: int
    type_name: str
    volume_type: str
    protocol: str
    connection_point: str | None
    network: ShareNetworkView
    network_id: str
    network_name: str
    subnet_id: str
    subnet_name: str
    share_network_name: str | None
    share_settings: StandardShareSettingsView | VastShareSettingsView
    tags: list[TagView]
    region: str
    region_id: int
    project_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    metadata: LegacyField[dict[str, str]]
    metadata_detailed: LegacyField[list[TagView]]

    @classmethod
    def of(cls, share: FileShare, network: ShareNetwork, tags: Iterable[Tag], region_name: str) -> "FileShareView":
        """Make the view of a file share."""
        tag_list = tag_views(tags)
        fields = common_view_fields(share, region_name)
        del fields["updated_at"]
        return make_view(
            cls,
            share,
            **fields | {"created_at": format_with_microseconds(share.created_at)},
            volume_type=VOLUME_TYPES[FileShareType(share.type_name)],
            protocol=PROTOCOL,
            network=make_view(ShareNetworkView, network),
            network_id=network.network_id,
            network_name=network.network_name,
            subnet_id=network.subnet_id,
            subnet_name=network.subnet_name,
            share_settings=_settings_view(share),
            tags=tag_list,
            **legacy_tag_fields(tag_list),
        )


class AccessRuleView(Struct, kw_only=True):
    """Access to a file share for an address or a range: `ro` or `rw`."""

    id: str
    access_to: str
    access_level: str
    state: str

    @classmethod
    def of(cls, rule: AccessRule) -> "AccessRuleView":
        """Make the view of a rule."""
        return make_view(cls, rule)


def _settings_view(share: FileShare) -> Any:
    if share.share_settings is None:
        return StandardShareSettingsView()
    return make_view(VastShareSettingsView, share.share_settings)
