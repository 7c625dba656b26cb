"""Images of the simulated cloud: only their properties are stored.

By default nothing is downloaded: size, format and checksum of an image are made up from its address. If the operator
enables downloads, images are downloaded and checked.
"""

import hashlib
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from msgspec import convert, structs

from pileus.domain.simulated_cloud import SimulatedImage
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.drivers.protocols.records import Records
from pileus.drivers.simulated.state import SimulationState
from pileus.drivers.simulated.storage import require_volume
from pileus.outbound.image_formats import require_allowed_format

GIB = 1 << 30
SECTOR = 512
SMALLEST_IMAGE, VIRTUAL_SIZE = GIB // 4, 2 * GIB
"""Bytes of the smallest image that is made up, and of a disk made from one; the largest has twice the bytes."""
FORMAT_BY_SUFFIX = {".qcow2": "qcow2", ".img": "qcow2", ".vmdk": "vmdk", ".vhd": "vhd", ".iso": "iso"}


class SimulatedImages(SimulationState):
    """Fulfils SupportsImages."""

    _download_limits: DownloadLimits

    async def ensure_image(self, image_id: str, source: ImageSource, on_progress: OnProgress) -> StoredImage:
        """Download an image or make it up, or copy a volume."""
        if stored := await self.find_image(image_id):
            return stored
        if source.volume_id is not None:
            info = await self._from_volume(source.volume_id)
        else:
            info = await self._fetch(source.url or "", on_progress)

        async def plan(records: Records) -> str | None:
            return None if await records.find(SimulatedImage, id=image_id) else "image"

        await self._change(plan, lambda records: records.save(SimulatedImage(id=image_id, **structs.asdict(info))))
        return info

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image."""
        await self._record_store.write(lambda records: records.remove(SimulatedImage, id=image_id))

    async def find_image(self, image_id: str) -> StoredImage | None:
        """Return the properties of an image."""
        async with self._record_store.read() as records:
            image = await records.find(SimulatedImage, id=image_id)
        return None if image is None else convert(image, StoredImage, from_attributes=True)

    async def _fetch(self, url: str, on_progress: OnProgress) -> StoredImage:
        if self._download_limits.enabled:
            return await self._download(url, on_progress)
        image = make_up_image(url)
        await on_progress(image.size, image.size)
        return image

    async def _download(self, url: str, on_progress: OnProgress) -> StoredImage:
        from pileus.outbound.downloads import fetch_image  # noqa: PLC0415  # slow to import, and few servers need it

        file = await fetch_image(url, self._download_limits, on_progress)
        image_format = require_allowed_format(file.head, file.size, self._download_limits.max_virtual_bytes)
        return StoredImage(
            size=file.size,
            virtual_size=image_format.virtual_size,
            disk_format=image_format.name,
            checksum=file.checksum,
        )

    async def _from_volume(self, volume_id: str) -> StoredImage:
        async with self._record_store.read() as records:
            volume = await require_volume(records, volume_id)
        return StoredImage(size=volume.size * GIB, virtual_size=volume.size * GIB, disk_format="raw")


def make_up_image(url: str) -> StoredImage:
    """Return the properties of an image that was not downloaded, the same ones each time for an address.

    The query of the address does not count: it may be a signature that changes, or a secret.
    """
    address = urlsplit(url)._replace(query="", fragment="")
    digest = hashlib.sha256(address.geturl().encode()).digest()
    size = SMALLEST_IMAGE + int.from_bytes(digest[:8], "big") % (SMALLEST_IMAGE // SECTOR) * SECTOR
    disk_format = FORMAT_BY_SUFFIX.get(PurePosixPath(address.path).suffix.lower(), "raw")
    virtual_size = size if disk_format in ("raw", "iso") else VIRTUAL_SIZE
    return StoredImage(size=size, virtual_size=virtual_size, disk_format=disk_format, checksum=digest.hex())
