"""Request bodies for volumes.

An absent field is UNSET where absence and null have different meanings, otherwise None.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import AttachmentTag, Name, RetypableVolumeType, Size, Uuid, VolumeType
from pileus.api.wire.tags import NewTags, TagChanges
from pileus.domain.compute import instance_orders
from pileus.domain.compute.instance_orders import VolumeSource
from pileus.domain.storage.volumes import VolumePatch
from pileus.domain.tags import validate_tags

PolicyId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _CreateVolume(Struct, kw_only=True, tag_field="source"):
    name: Name
    instance_id_to_attach_to: str | None = None
    attachment_tag: AttachmentTag | None = None
    lifecycle_policy_ids: Annotated[list[PolicyId], Meta(max_length=100)] | None = None
    tags: NewTags | None = None
    metadata: NewTags | None = None

    def _new_volume(
        self, source: VolumeSource, source_id: str | None, size: int | None, type_name: str | None
    ) -> instance_orders.NewVolume:
        return instance_orders.NewVolume(
            source=source,
            source_id=source_id,
            size=size,
            type_name=type_name,
            name=self.name,
            attachment_tag=self.attachment_tag,
            tags=validate_tags(self.tags or self.metadata or {}),
        )


class CreateBlankVolume(_CreateVolume, kw_only=True, tag="new-volume"):
    """A new, empty volume of `size` GiB."""

    size: Size
    type_name: VolumeType = "standard"

    def new_volume(self) -> instance_orders.NewVolume:
        """Return the domain's description of the volume. Raises Invalid for wrong tags."""
        return self._new_volume(VolumeSource.NEW, None, self.size, self.type_name)


class CreateVolumeFromImage(_CreateVolume, kw_only=True, tag="image"):
    """A new volume of `size` GiB with the content of an image."""

    image_id: Uuid
    size: Size
    type_name: VolumeType = "standard"

    def new_volume(self) -> instance_orders.NewVolume:
        """Return the domain's description of the volume. Raises Invalid for wrong tags."""
        return self._new_volume(VolumeSource.IMAGE, self.image_id, self.size, self.type_name)


class CreateVolumeFromSnapshot(_CreateVolume, kw_only=True, tag="snapshot"):
    """A new volume with the content of a snapshot.

    It has the size of the snapshot, and by default the type of the snapshot's volume.
    """

    snapshot_id: Uuid
    size: Size | None = None
    type_name: VolumeType | None = None

    def new_volume(self) -> instance_orders.NewVolume:
        """Return the domain's description of the volume. Raises Invalid for wrong tags."""
        return self._new_volume(VolumeSource.SNAPSHOT, self.snapshot_id, self.size, self.type_name)


CreateVolume = CreateBlankVolume | CreateVolumeFromImage | CreateVolumeFromSnapshot


class UpdateVolume(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of a volume or a snapshot. Absent fields do not change; `tags` may be null."""

    name: Name | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> VolumePatch:
        """Return the fields that were sent. Raises Invalid for wrong tags."""
        patch = VolumePatch()
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        return patch


class AttachVolume(Struct, kw_only=True):
    """The instance to attach the volume to. `attachment_tag` is a tag of the attachment, not of the volume."""

    instance_id: Uuid
    attachment_tag: AttachmentTag | None = None


class DetachVolume(Struct, kw_only=True):
    """The instance to detach the volume from."""

    instance_id: Uuid


class ExtendVolume(Struct, kw_only=True):
    """The new size of the volume, in GiB."""

    size: Size


class RetypeVolume(Struct, kw_only=True):
    """The new type of the volume."""

    volume_type: RetypableVolumeType
