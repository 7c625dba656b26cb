"""Images' files, on which volumes stand: one that is taken away stays until nothing stands on it any more."""

import asyncio
import hashlib
import os
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pileus.domain.catalogue import Catalogue, image_id
from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.host import SOON, Host
from pileus.drivers.qemu.paths import atomic_write, locked, open_untrusted, sealed, wait_for_lock
from pileus.outbound.image_formats import HEAD, recognised

CHUNK = 1 << 20
"""Bytes that are copied in one go."""
FORMATS = ("qcow2", "raw")
OFFERED = ("qcow2", "img", "raw")
"""What the names of operators' image files may end in."""


class BaseImages(Host):
    """The part that knows them."""

    SCHEMA = """
    CREATE TABLE IF NOT EXISTS images (
        id TEXT PRIMARY KEY, size INTEGER NOT NULL, virtual_size INTEGER NOT NULL, disk_format TEXT NOT NULL,
        checksum TEXT
    );
    CREATE TABLE IF NOT EXISTS dropped_images (base TEXT PRIMARY KEY);
    """

    catalogue: Catalogue
    offered: Path
    """Where operators put the files of the catalogue's images."""

    def base(self, name: str | None) -> Path | None:
        """The file of a base."""
        return self.home.image(name) if name else None

    async def base_of(self, wanted: str) -> str:
        """The base of an image, a tenant's or the operator's; raises DriverError if there is no file of it.

        The caller has the shelf, until it is written down that something stands on the base.
        """
        if self.home.image(wanted).exists():
            return wanted
        file = self._offered(wanted)
        told = file.stat()
        mark = hashlib.sha256(f"{told.st_size} {told.st_mtime_ns}".encode()).hexdigest()[:12]
        name = f"{wanted}-{mark}"
        if not self.home.image(name).exists():
            await self._import(file, name)
        return name

    async def _import(self, file: Path, name: str) -> None:
        """Make a base of an operator's file, which QEMU's user need not be able to reach."""
        with file.open("rb") as content:
            form = recognised(content.read(HEAD), file.stat().st_size)
        if file.suffix == ".qcow2" and form.name != "qcow2":
            raise DriverError(f"The operator's file {file} is no qcow2 image, as its name says", retryable=False)
        copy = self.home.image(name).with_suffix(".fetched")
        try:
            await asyncio.to_thread(_copied, file, copy)
            self.home.chown_to_qemu(copy)
            await self.take_in(copy, form.name, name)
        finally:
            copy.unlink(missing_ok=True)

    async def take_in(self, file: Path, form: str, name: str) -> None:
        """Make a base of a file that is said to be of a format; raises DriverError if it is not sound."""
        if form not in FORMATS:
            raise DriverError(f"Images can be {' or '.join(FORMATS)} here, not {form}", retryable=False)
        if form != "raw":
            await self.qemu_img.check(file, form)
        with atomic_write(self.home.image(name)) as new:
            await self.qemu_img.copy(file, new, form=form)
            sealed(new)

    def images_lock(self) -> AbstractAsyncContextManager[None]:
        """Be the only one, in all processes, who looks for a base; none is taken away meanwhile."""
        return wait_for_lock(self.home.folder / "images.lock", SOON)

    def collect_garbage(self) -> None:
        """Remove the files of images that are gone and that nothing stands on; later, if somebody looks for one."""
        if (descriptor := locked(self.home.folder / "images.lock")) is None:
            return
        try:
            self._sweep()
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        rows = self._db.execute(
            "SELECT base FROM dropped_images EXCEPT SELECT base FROM volumes EXCEPT SELECT base FROM snapshots"
        ).fetchall()
        for (name,) in rows:
            self.home.image(name).unlink(missing_ok=True)
            self._db.execute("DELETE FROM dropped_images WHERE base = ?", (name,))

    def _offered(self, wanted: str) -> Path:
        """The operator's file of an image of the catalogue."""
        for region in self.catalogue.regions:
            for image in self.catalogue.images:
                if image_id(region.id, image.name) == wanted:
                    return self._file(image.name, image.file)
        raise DriverError(f"Image {wanted} does not exist", retryable=False)

    def _file(self, name: str, file: str | None) -> Path:
        candidates = [Path(file)] if file else [self.offered / f"{name}.{ending}" for ending in OFFERED]
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise DriverError(
                f"The operator has no file of the image {name}: put one at {candidates[0]}, or name its `file` in the"
                " catalogue",
                retryable=False,
            )
        return found


def _copied(file: Path, copy: Path) -> None:
    with file.open("rb") as source, open_untrusted(copy, "wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
