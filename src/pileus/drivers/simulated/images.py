"""Images of the simulated cloud: only their properties are stored.

By default nothing is downloaded: size, format and checksum of an image are made up from its address. If the operator
enables downloads, images are downloaded and checked.
"""

import hashlib
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from msgspec import structs

from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.drivers.simulated.state import SimulationState
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
        if stored := self.find_image(image_id):
            return stored
        if source.volume_id is not None:
            info = self._from_volume(source.volume_id)
        else:
            info = await self._fetch(source.url or "", on_progress)
        await self._take_time("image")
        row = (image_id, *structs.astuple(info))
        self._db.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?)", row)
        return info

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image."""
        self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def find_image(self, image_id: str) -> StoredImage | None:
        """Return the properties of an image."""
        row = self._db.execute(
            "SELECT size, virtual_size, disk_format, checksum FROM images WHERE id = ?", (image_id,)
        ).fetchone()
        return row and StoredImage(size=row[0], virtual_size=row[1], disk_format=row[2], checksum=row[3])

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

    def _from_volume(self, volume_id: str) -> StoredImage:
        row = self._db.execute("SELECT size FROM volumes WHERE id = ?", (volume_id,)).fetchone()
        if row is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return StoredImage(size=row[0] * GIB, virtual_size=row[0] * GIB, disk_format="raw")


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
