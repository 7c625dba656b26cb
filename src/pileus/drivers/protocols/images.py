"""What a driver does with images, if it can: another part of what stands in `driver.py`."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from msgspec import Struct


class ImageSource(Struct, frozen=True, kw_only=True):
    """Where an image comes from: an address to fetch it from, or a volume."""

    url: str | None = None
    volume_id: str | None = None


class KeptImage(Struct, frozen=True, kw_only=True):
    """An image as a driver keeps it: its bytes, those of a disk made of it, and the SHA-256 of what was fetched."""

    size: int
    virtual_size: int
    disk_format: str
    checksum: str | None = None


Fetched = Callable[[int, int | None], Awaitable[None]]
"""Is told how many bytes have come, and of how many if that is known; what it raises ends the fetching."""


@runtime_checkable
class Images(Protocol):
    """Keeps images of tenants."""

    async def ensure_image(self, image_id: str, source: ImageSource, fetched: Fetched) -> KeptImage:
        """Keep an image, wholly or not at all."""

    async def ensure_no_image(self, image_id: str) -> None:
        """Destroy it; volumes that were made from it stay."""
