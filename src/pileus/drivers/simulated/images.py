"""Images of the simulated cloud: really fetched, measured and checked; then only what is known of them is kept."""

from msgspec import structs

from pileus.drivers.protocols.compute import DriverError, Fetching
from pileus.drivers.protocols.images import Fetched, ImageSource, KeptImage
from pileus.drivers.simulated.world import SimulationState
from pileus.outbound.image_formats import recognised

GIB = 1 << 30


class Images(SimulationState):
    """The part that keeps them: Images."""

    _fetching: Fetching

    async def ensure_image(self, image_id: str, source: ImageSource, fetched: Fetched) -> KeptImage:
        """Fetch an image, or copy a volume."""
        if kept := self.image(image_id):
            return kept
        if source.volume_id is not None:
            kept = self._copied(source.volume_id)
        else:
            # Few fetch images: starting need not wait for the library.
            from pileus.outbound.downloads import fetch  # noqa: PLC0415

            came = await fetch(source.url or "", self._fetching, fetched)
            form = recognised(came.head, came.size)
            kept = KeptImage(
                size=came.size, virtual_size=form.virtual_size, disk_format=form.name, checksum=came.checksum
            )
        await self._take("image")
        row = (image_id, *structs.astuple(kept))
        self._db.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?)", row)
        return kept

    async def ensure_no_image(self, image_id: str) -> None:
        """Destroy an image."""
        self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def image(self, image_id: str) -> KeptImage | None:
        """What is known of an image, or None."""
        row = self._db.execute(
            "SELECT size, virtual_size, disk_format, checksum FROM images WHERE id = ?", (image_id,)
        ).fetchone()
        return row and KeptImage(size=row[0], virtual_size=row[1], disk_format=row[2], checksum=row[3])

    def _copied(self, volume_id: str) -> KeptImage:
        """An image of a volume, on which there is nothing."""
        row = self._db.execute("SELECT size FROM volumes WHERE id = ?", (volume_id,)).fetchone()
        if row is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return KeptImage(size=row[0] * GIB, virtual_size=row[0] * GIB, disk_format="raw")
