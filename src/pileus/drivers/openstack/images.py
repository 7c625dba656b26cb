"""Images of tenants, known in OpenStack by their names."""

import tempfile
from functools import partial
from typing import BinaryIO

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.outbound.image_formats import require_allowed_format

CHECKSUM = "pileus_sha256"
"""The property of an image that holds the SHA-256 of its download."""
VIRTUAL_SIZE = "pileus_virtual_size"
ENGINE_FORMATS = {"vhd": "vhd", "iso": "iso", "qcow2": "qcow2", "vmdk": "vmdk"}
BEGUN = frozenset({"saving", "uploading", "importing"})
QUEUED = "queued"
"""The status of an image without content. It lasts while OpenStack exports a volume of some kinds of storage."""


class GlanceImages:
    """Stores images that tenants upload by address or make from volumes."""

    def __init__(
        self, cloud: OpenstackCloud, waits: Waits, volumes: CinderVolumes, download_limits: DownloadLimits
    ) -> None:
        self._cloud, self._waits, self._volumes = cloud, waits, volumes
        self._download_limits = download_limits
        self._images = NamedResources(cloud, NamedKind("image", "/images", "image", is_bare=True))

    async def ensure_image(self, image_id: str, source: ImageSource, on_progress: OnProgress) -> StoredImage:
        """Download an image and send it to OpenStack, or let OpenStack copy a volume."""
        image = await self._find_active(image_id, source.volume_id)
        if image is None:
            await self.ensure_no_image(image_id)
            if source.volume_id is not None:
                image = await self._copy_volume(image_id, source.volume_id)
            else:
                image = await self._download(image_id, source.url or "", on_progress)
        return StoredImage(
            size=image["size"],
            virtual_size=int(image.get(VIRTUAL_SIZE) or image.get("virtual_size") or image["size"]),
            disk_format=image["disk_format"],
            checksum=image.get(CHECKSUM),
        )

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image, and what an interrupted creation has left of it."""
        await self._images.delete_all(image_id)

    async def _copy_volume(self, image_id: str, volume_id: str) -> Json:
        volume = await self._volumes.wait_until_idle(await self._volumes.require(volume_id))
        order = {"image_name": engine_name(image_id), "disk_format": "raw", "container_format": "bare", "force": True}
        answer = await self._volumes.act(volume, {"os-volume_upload_image": order})
        engine_id = answer["os-volume_upload_image"]["image_id"]
        # The volume is busy a little longer than the image, and OpenStack deletes an image that it cannot complete.
        await self._volumes.wait_until_idle(volume)
        image = await self._cloud.find("image", f"/images/{engine_id}")
        if image is None or image["status"] != "active":
            raise DriverError(f"OpenStack has not stored volume {volume_id} as an image", retryable=True)
        return image

    async def _download(self, image_id: str, url: str, on_progress: OnProgress) -> Json:
        # Imported late: few servers download images, and the library makes their start slower.
        from pileus.outbound.downloads import fetch_image  # noqa: PLC0415  # see above

        with tempfile.TemporaryFile() as file:
            download = await fetch_image(url, self._download_limits, on_progress, file=file)
            size_limit = self._download_limits.max_virtual_bytes
            detected = require_allowed_format(download.head, download.size, size_limit)
            order = {
                "disk_format": ENGINE_FORMATS.get(detected.name, "raw"),
                "container_format": "bare",
                CHECKSUM: download.checksum,
                VIRTUAL_SIZE: str(detected.virtual_size),
            }
            return await self._upload(image_id, order, file)

    async def _upload(self, image_id: str, order: Json, file: BinaryIO) -> Json:
        created = await self._images.create(image_id, order)
        if not created.is_own:
            # Its checksum is that of another download.
            raise DriverError(f"Another process stores image {image_id}", retryable=True)
        file.seek(0)
        await self._cloud.upload("image", f"/images/{created.item['id']}/file", file)
        return await self._cloud.get("image", f"/images/{created.item['id']}")

    async def _find_active(self, image_id: str, volume_id: str | None) -> Json | None:
        """Return an image that is complete, or that a volume is still copied to."""
        for image in await self._images.find_all(image_id):
            ended: Json | None = image
            if image["status"] in BEGUN | {QUEUED} and CHECKSUM not in image:
                read = partial(self._read_copy, image["id"], volume_id)
                ended = await self._waits.wait_until(read, _has_ended, f"image {image['id']}")
            if ended is not None and ended["status"] == "active":
                return ended
        return None

    async def _read_copy(self, engine_id: str, volume_id: str | None) -> Json | None:
        """Return an image that a volume is copied to; None if OpenStack has given it up."""
        # The volume is busy longer than the image, so it is read first.
        is_uploading = volume_id is not None and await self._volumes.is_uploading(volume_id)
        image = await self._cloud.find("image", f"/images/{engine_id}")
        is_abandoned = image is not None and image["status"] == QUEUED and not is_uploading
        return None if is_abandoned else image


def _has_ended(image: Json | None) -> bool:
    return image is None or image["status"] in {"active", "killed", "deleted", "deactivated"}
