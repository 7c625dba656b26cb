"""Bodies of requests about flavors."""

from typing import Annotated

from msgspec import Meta, Struct

from pileus.api.wire.constraints import Number, Size, VolumeSourceName, VolumeType
from pileus.domain import limits


class CandidateVolume(Struct, kw_only=True):
    """A volume of an instance to be created."""

    source: VolumeSourceName
    name: str | None = None
    boot_index: Number | None = None
    size: Size | None = None
    type_name: VolumeType | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    apptemplate_id: str | None = None
    volume_id: str | None = None


class ListFlavorsForVolumes(Struct, kw_only=True):
    """The volumes that a flavor must be able to boot."""

    volumes: Annotated[list[CandidateVolume], Meta(max_length=limits.NAMES.value)]


class ChangeFlavor(Struct, kw_only=True):
    """The new flavor of an instance."""

    flavor_id: str
