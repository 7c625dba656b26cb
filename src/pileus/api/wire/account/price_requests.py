"""Request bodies for previews of prices."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import Size, VolumeSourceName, VolumeType
from pileus.api.wire.network.interface_requests import NewInterface
from pileus.domain.limits import NAMES

AtMostNames = Meta(max_length=NAMES.value)


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
    interfaces: Annotated[list[NewInterface], AtMostNames]
    volumes: Annotated[list[PlannedVolume], AtMostNames] = field(default_factory=list)
    names: Annotated[list[str], AtMostNames] = field(default_factory=list)
    name_templates: Annotated[list[str | None], AtMostNames] = field(default_factory=list)
