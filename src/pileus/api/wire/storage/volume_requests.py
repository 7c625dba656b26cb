"""Request bodies for volumes.

An absent field is UNSET where absence and null have different meanings, otherwise None.
"""

from typing import Annotated

from msgspec import Meta, Struct

from pileus.api.wire.constraints import AttachmentTag, Name, RetypableVolumeType, Size, Uuid, VolumeType
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.api.wire.patches import UpdateResource
from pileus.api.wire.storage.new_volumes import make_new_volume
from pileus.domain import limits
from pileus.domain.compute.instance_orders import NewVolume

PolicyId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _CreateVolume(CreateTaggedResource, kw_only=True, tag_field="source"):
    name: Name
    instance_id_to_attach_to: str | None = None
    attachment_tag: AttachmentTag | None = None
    lifecycle_policy_ids: Annotated[list[PolicyId], Meta(max_length=limits.VOLUME_POLICIES.value)] | None = None

    def to_new_volume(self) -> NewVolume:
        """Return the volume to create. Raises Invalid for its tags."""
        return make_new_volume(self, self.effective_tags())


class CreateBlankVolume(_CreateVolume, kw_only=True, tag="new-volume"):
    """A new, empty volume of `size` GiB."""

    size: Size
    type_name: VolumeType = "standard"


class CreateVolumeFromImage(_CreateVolume, kw_only=True, tag="image"):
    """A new volume of `size` GiB with the content of an image."""

    image_id: Uuid
    size: Size
    type_name: VolumeType = "standard"


class CreateVolumeFromSnapshot(_CreateVolume, kw_only=True, tag="snapshot"):
    """A new volume with the content of a snapshot.

    It has the size of the snapshot, and by default the type of the snapshot's volume.
    """

    snapshot_id: Uuid
    size: Size | None = None
    type_name: VolumeType | None = None


CreateVolume = CreateBlankVolume | CreateVolumeFromImage | CreateVolumeFromSnapshot


class UpdateVolume(UpdateResource, kw_only=True):
    """A JSON merge patch (RFC 7386) of a volume or a snapshot. Absent fields do not change; `tags` may be null."""


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
