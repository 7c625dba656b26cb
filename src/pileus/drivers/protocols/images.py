"""Images of tenants."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta


class ImageSource(Struct, frozen=True, kw_only=True):
    """The source of an image of a client: an address to download from, or a volume."""

    client_id: int | None = None
    url: str | None = None
    volume_id: str | None = None


class StoredImage(Struct, frozen=True, kw_only=True):
    """A stored image: its bytes, as downloaded or stored, those of a disk made from it, and the download's SHA-256."""

    size: int
    virtual_size: int
    disk_format: str
    checksum: str | None = None


OnProgress = Callable[[int, int | None], Awaitable[None]]
"""Called with the bytes received so far, and the total if it is known; an exception from it ends the creation.

While a download is converted, the total grows with what is written.
"""


@runtime_checkable
class SupportsImages(Protocol, metaclass=AbilityMeta):
    """Stores images of tenants."""

    async def ensure_image(self, image_id: str, source: ImageSource, on_progress: OnProgress) -> StoredImage:
        """Store an image, completely or not at all. Raises DriverError if the source cannot be read."""

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image; volumes made from it stay."""
