"""Volumes of a new instance, by where each comes from."""

from msgspec import Struct

from pileus.api.wire.constraints import (
    AttachmentTag,
    Name,
    Number,
    Size,
    SnapshotVolumeType,
    Uuid,
    VolumeSourceName,
    VolumeType,
)
from pileus.api.wire.tags import NewTags
from pileus.domain.compute import instance_orders
from pileus.domain.compute.instance_orders import Source
from pileus.domain.tags import validate_tags


class _NewVolume(Struct, kw_only=True, tag_field="source"):
    name: Name | None = None
    boot_index: Number | None = None
    delete_on_termination: bool = False
    attachment_tag: AttachmentTag | None = None
    tags: NewTags | None = None
    metadata: NewTags | None = None

    def _ordered(
        self, source: Source, source_id: str | None, size: int | None, type_name: str | None
    ) -> instance_orders.NewVolume:
        return instance_orders.NewVolume(
            source=source,
            source_id=source_id,
            size=size,
            type_name=type_name,
            name=self.name,
            boot_index=self.boot_index,
            delete_on_termination=self.delete_on_termination,
            attachment_tag=self.attachment_tag,
            tags=validate_tags(self.tags or self.metadata or {}),
        )


class BlankVolume(_NewVolume, kw_only=True, tag="new-volume"):
    """A new, empty volume of `size` GiB."""

    size: Size
    type_name: VolumeType = "standard"

    def ordered(self) -> instance_orders.NewVolume:
        """Say it in the rules' words; raises Invalid for its tags."""
        return self._ordered(Source.NEW, None, self.size, self.type_name)


class ImageVolume(_NewVolume, kw_only=True, tag="image"):
    """A new volume with an image on it."""

    image_id: Uuid
    size: Size | None = None
    type_name: VolumeType = "standard"

    def ordered(self) -> instance_orders.NewVolume:
        """Say it in the rules' words; raises Invalid for its tags."""
        return self._ordered(Source.IMAGE, self.image_id, self.size, self.type_name)


class SnapshotVolume(_NewVolume, kw_only=True, tag="snapshot"):
    """A new volume with what a snapshot holds."""

    snapshot_id: Uuid
    size: Size
    type_name: SnapshotVolumeType | None = None

    def ordered(self) -> instance_orders.NewVolume:
        """Say it in the rules' words; raises Invalid for its tags."""
        return self._ordered(Source.SNAPSHOT, self.snapshot_id, self.size, self.type_name)


class AppTemplateVolume(_NewVolume, kw_only=True, tag="apptemplate"):
    """A new volume with an application on it."""

    apptemplate_id: str
    size: Size | None = None
    type_name: VolumeType = "standard"

    def ordered(self) -> instance_orders.NewVolume:
        """Say it in the rules' words; raises Invalid for its tags."""
        return self._ordered(Source.APPTEMPLATE, self.apptemplate_id, self.size, self.type_name)


class ExistingVolume(_NewVolume, kw_only=True, tag="existing-volume"):
    """A volume that exists and is free."""

    volume_id: Uuid

    def ordered(self) -> instance_orders.NewVolume:
        """Say it in the rules' words; raises Invalid for its tags."""
        return self._ordered(Source.EXISTING, self.volume_id, None, None)


NewVolume = BlankVolume | ImageVolume | SnapshotVolume | AppTemplateVolume | ExistingVolume


class CandidateVolume(Struct, kw_only=True):
    """A volume that an instance would have."""

    source: VolumeSourceName
    name: str | None = None
    boot_index: Number | None = None
    size: Size | None = None
    type_name: VolumeType | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    apptemplate_id: str | None = None
    volume_id: str | None = None


class SuitableFlavorsRequest(Struct, kw_only=True):
    """The volumes that a flavor would have to carry."""

    volumes: list[CandidateVolume]
