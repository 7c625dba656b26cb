"""Images."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField, legacy_tag_fields
from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.compute.images import Image
from pileus.domain.tags import Tag


class ImageView(Struct, kw_only=True):
    """An image; `size` in bytes, `min_disk` in GiB, `min_ram` in MiB."""

    id: str
    name: str
    description: str | None
    status: str
    visibility: str
    size: int | None
    min_disk: int
    min_ram: int
    os_distro: str
    os_type: str
    os_version: str
    architecture: str
    ssh_key: str | None
    disk_format: str
    display_order: int | None
    is_baremetal: bool
    hw_firmware_type: str | None
    hw_machine_type: str | None
    gpu_driver: str | None
    gpu_driver_type: str | None
    gpu_driver_version: str | None
    tags_v2: list[TagView]
    currency_code: str | None
    price_per_hour: float | None
    price_per_month: float | None
    price_status: str | None
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    tags: LegacyField[list[TagView]]
    metadata: LegacyField[dict[str, str]]
    metadata_detailed: LegacyField[list[TagView]]

    @classmethod
    def of(cls, image: Image, tags: Iterable[Tag], region_name: str, project_id: int) -> "ImageView":
        """Show an image; a public image gets the caller's project."""
        tag_list = tag_views(tags)
        return make_view(
            cls,
            image,
            gpu_driver=None,
            gpu_driver_type=None,
            gpu_driver_version=None,
            tags_v2=tag_list,
            tags=tag_list,
            currency_code=None,
            price_per_hour=None,
            price_per_month=None,
            price_status=None,
            **legacy_tag_fields(tag_list),
            **common_view_fields(image, region_name, project_id),
        )
