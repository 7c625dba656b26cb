"""Images of tenants: fetched, checked, and kept as the files that volumes stand on."""

from pileus.drivers.protocols.compute import Fetching
from pileus.drivers.protocols.images import Fetched, ImageSource, KeptImage
from pileus.drivers.qemu.paths import atomic_write, open_untrusted, sealed
from pileus.drivers.qemu.snapshots import Snapshots
from pileus.outbound.image_formats import recognised


class Images(Snapshots):
    """The part that keeps them: Images."""

    fetching: Fetching

    async def ensure_image(self, image_id: str, source: ImageSource, fetched: Fetched) -> KeptImage:
        """Fetch an image, or copy a volume; it stands on nothing else then."""
        if kept := self.image(image_id):
            return kept
        if source.volume_id is not None:
            kept = await self._of_volume(image_id, source.volume_id)
        else:
            kept = await self._fetched(image_id, source.url or "", fetched)
        row = (image_id, kept.size, kept.virtual_size, kept.disk_format, kept.checksum)
        self._db.execute("DELETE FROM dropped_images WHERE base = ?", (image_id,))
        self._db.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?)", row)
        return kept

    async def ensure_no_image(self, image_id: str) -> None:
        """Destroy an image; its file stays until no volume stands on it."""
        self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))
        if self.home.image(image_id).exists():
            self._db.execute("INSERT OR IGNORE INTO dropped_images VALUES (?)", (image_id,))
        self.collect_garbage()

    def image(self, image_id: str) -> KeptImage | None:
        """What is known of an image, or None."""
        row = self._db.execute(
            "SELECT size, virtual_size, disk_format, checksum FROM images WHERE id = ?", (image_id,)
        ).fetchone()
        return row and KeptImage(size=row[0], virtual_size=row[1], disk_format=row[2], checksum=row[3])

    async def _fetched(self, image_id: str, url: str, fetched: Fetched) -> KeptImage:
        """What comes is written down as it is, and looked at by its own format only when it is whole."""
        # Few fetch images: starting need not wait for the library.
        from pileus.outbound.downloads import fetch  # noqa: PLC0415

        path = self.home.image(image_id).with_suffix(".fetched")
        try:
            with open_untrusted(path, "wb") as file:
                came = await fetch(url, self.fetching, fetched, into=file)
            self.home.chown_to_qemu(path)
            form = recognised(came.head, came.size)
            await self.take_in(path, form.name, image_id)
        finally:
            path.unlink(missing_ok=True)
        size = await self.qemu_img.size(self.home.image(image_id))
        return KeptImage(size=came.size, virtual_size=size, disk_format=form.name, checksum=came.checksum)

    async def _of_volume(self, image_id: str, volume_id: str) -> KeptImage:
        path = self.home.image(image_id)
        with atomic_write(path) as new:
            await self.copied(volume_id, new, None)
            sealed(new)
        size = await self.qemu_img.size(path)
        return KeptImage(size=path.stat().st_size, virtual_size=size, disk_format="qcow2")
