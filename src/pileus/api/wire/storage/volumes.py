"""Volumes as the API returns them."""

from msgspec import Struct, field

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField, legacy_tag_fields
from pileus.api.wire.tags import TagView, tag_views
from pileus.api.wire.times import format_with_offset
from pileus.domain.compute.images import Image
from pileus.domain.storage.volume_details import VolumeAttachmentDetails, VolumeDetails
from pileus.domain.storage.volume_types import VolumePerformanceLimits
from pileus.domain.storage.volumes import Volume

IMAGE_FIELDS = ("min_disk", "min_ram", "size", "disk_format", "os_distro", "os_type", "os_version", "architecture",
                "hw_firmware_type", "hw_machine_type", "ssh_key")  # fmt: skip
"""Fields of the image that `volume_image_metadata` contains."""


class VolumeAttachmentView(Struct, kw_only=True):
    """The attachment of a volume to an instance."""

    attachment_id: str
    volume_id: str
    server_id: str | None
    instance_name: str | None
    flavor_id: str | None
    device: str | None
    attached_at: str | None

    @classmethod
    def of(cls, details: VolumeAttachmentDetails) -> "VolumeAttachmentView":
        """Make the view of an attachment."""
        attachment = details.attachment
        return cls(
            attachment_id=attachment.id,
            volume_id=attachment.volume_id,
            server_id=attachment.instance_id,
            instance_name=details.instance_name,
            flavor_id=details.flavor_id,
            device=attachment.device,
            attached_at=format_with_offset(attachment.attached_at),
        )


class VolumeLimiterStats(Struct, kw_only=True):
    """Speed limits of a volume, in operations and megabytes per second."""

    iops_base_limit: int
    iops_burst_limit: int
    mbps_base_limit: int = field(name="MBps_base_limit")
    mbps_burst_limit: int = field(name="MBps_burst_limit")

    @classmethod
    def of(cls, limits: VolumePerformanceLimits) -> "VolumeLimiterStats":
        """Make the view of a volume's limits."""
        return cls(
            iops_base_limit=limits.iops_base,
            iops_burst_limit=limits.iops_burst,
            mbps_base_limit=limits.mbps_base,
            mbps_burst_limit=limits.mbps_burst,
        )


class VolumeView(Struct, kw_only=True):
    """A volume. `task_id` is the task that has locked it, `creator_task_id` the task that created it."""

    id: str
    name: str
    status: str
    size: int
    volume_type: str
    bootable: bool
    is_root_volume: bool
    attachments: list[VolumeAttachmentView]
    limiter_stats: VolumeLimiterStats | None
    snapshot_ids: list[str]
    volume_image_metadata: dict[str, str] | None
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
    def of(
        cls, volume: Volume, details: VolumeDetails, region_name: str, limits: VolumePerformanceLimits | None
    ) -> "VolumeView":
        """Make the view of a volume."""
        attachment, tag_list = details.attachment, tag_views(details.tags)
        return make_view(
            cls,
            volume,
            volume_type=volume.type_name,
            is_root_volume=attachment is not None and attachment.attachment.boot_index == 0,
            attachments=[VolumeAttachmentView.of(attachment)] if attachment else [],
            limiter_stats=VolumeLimiterStats.of(limits) if limits else None,
            snapshot_ids=details.snapshot_ids,
            volume_image_metadata=_image_metadata(volume.image_id, details.image),
            tags=tag_list,
            **legacy_tag_fields(tag_list),
            **common_view_fields(volume, region_name),
        )


def _image_metadata(image_id: str | None, image: Image | None) -> dict[str, str] | None:
    """Return the fields of a volume's image as text, or only its id if the image is deleted."""
    if image_id is None:
        return None
    if image is None:
        return {"image_id": image_id}
    values = {name: getattr(image, name) for name in IMAGE_FIELDS}
    metadata = {name: str(value) for name, value in values.items() if value is not None}
    return {"image_id": image.id, "image_name": image.name, **metadata}
