"""Request bodies for previews of prices."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import Size, VolumeSourceName, VolumeType
from pileus.api.wire.network.interface_requests import NewInterface


class PlannedVolume(Struct, kw_only=True):
    """A volume to price or to count."""

    source: VolumeSourceName
    size: Size | None = None
    snapshot_id: str | None = None
    type_name: VolumeType | None = None


class VolumePriceRequest(Struct, kw_only=True):
    """A new volume to price."""

    source: Literal["image", "new-volume", "snapshot"]
    size: Annotated[int, Meta(ge=1, le=102400)] | None = None
    snapshot_id: str | None = None
    type_name: VolumeType | None = None


class InstancePriceRequest(Struct, kw_only=True):
    """New instances to price."""

    flavor: str
    interfaces: list[NewInterface]
    volumes: list[PlannedVolume] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    name_templates: list[str | None] = field(default_factory=list)
