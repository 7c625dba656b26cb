"""Details of a volume that other tables hold."""

from msgspec import Struct, field

from pileus.domain.compute.images import Image
from pileus.domain.storage.volumes import Attachment
from pileus.domain.tags import Tag


class VolumeAttachmentDetails(Struct, frozen=True, kw_only=True):
    """An attachment, with the instance's name and flavor."""

    attachment: Attachment
    instance_name: str
    flavor_id: str


class VolumeDetails(Struct, frozen=True, kw_only=True):
    """All details of one volume: tags by key, snapshots from the oldest."""

    tags: list[Tag] = field(default_factory=list)
    attachment: VolumeAttachmentDetails | None = None
    snapshot_ids: list[str] = field(default_factory=list)
    image: Image | None = None
