"""Base images: the files of images, on which volumes are overlays. A deleted image's file stays while it is in use."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pileus.domain.catalogue import Catalogue, derive_public_image_id
from pileus.domain.ids import canonical_id
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.file_ownership import give_file, publish_file, share_file, take_file
from pileus.drivers.qemu.paths import (
    POLL_INTERVAL,
    DataDirectory,
    atomic_write,
    open_without_following_symlink,
    try_lock,
    wait_for_lock,
)
from pileus.drivers.qemu.qemu_img import COPY_SECONDS, QemuImg
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.users import ProcessUser
from pileus.outbound.image_formats import HEAD, detect_format

COPY_CHUNK = 1 << 20
"""Bytes."""
METADATA_SHARE = 64
"""A converted file may be larger than its limit by this part, for the tables of its format."""
SIZE_INTERVAL = 0.2
"""Seconds between two looks at the size of a file that is written."""
OnWritten = Callable[[int], Awaitable[None]]
"""Called with the bytes written so far."""
FORMATS = ("qcow2", "raw")
ID_LENGTH, VERSION_LENGTH = 36, 12
OPERATOR_SUFFIXES = ("qcow2", "img", "raw")
"""Suffixes that operators' image files may have."""


class BaseImages:
    """The base images of a host: tenants' images, and copies of the operator's files for the catalogue's images."""

    def __init__(
        self,
        directory: DataDirectory,
        qemu_img: QemuImg,
        records: StorageRecords,
        catalogue: Catalogue,
        operator_files: Path,
    ) -> None:
        self._directory, self._qemu_img, self._records = directory, qemu_img, records
        self._catalogue, self._operator_files = catalogue, operator_files

    def link_former_bases(self) -> None:
        """Give the bases of the catalogue's former ids their present names too.

        Overlays contain the former name, so it stays until no volume and no snapshot uses it.
        """
        for file in self._directory.images.glob("*.qcow2"):
            identity, version = file.name[:ID_LENGTH], file.name[ID_LENGTH:]
            if canonical_id(identity) != identity:
                with suppress(FileExistsError):
                    os.link(file, file.with_name(canonical_id(identity) + version), follow_symlinks=False)
                self._records.mark_base_for_removal(file.stem)

    def base_file(self, base: str | None) -> Path | None:
        """Return the file of a base; None for None."""
        return self._directory.image_file(base) if base else None

    async def virtual_size(self, base: str, user: ProcessUser | None) -> int:
        """Return the bytes of a disk made from a base of a user."""
        return await self._qemu_img.as_user(user).virtual_size(self._directory.image_file(base))

    async def ensure_base_of_image(self, image_id: str) -> str:
        """Return the base of a tenant's or the operator's image, imported if missing. Raises DriverError.

        The caller holds `lock` until it has recorded that it uses the base.
        """
        if self._directory.image_file(image_id).exists():
            return image_id
        file = self._find_operator_file(image_id)
        status = file.stat()
        version = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:VERSION_LENGTH]
        base = f"{image_id}-{version}"
        if not self._directory.image_file(base).exists():
            await self._import(file, base)
        return base

    async def import_base(  # noqa: PLR0913  # what is imported, for whom, and its limits
        self,
        file: Path,
        image_format: str,
        base: str,
        user: ProcessUser | None,
        *,
        limits: DownloadLimits | None = None,
        report_written: OnWritten | None = None,
    ) -> None:
        """Convert an untrusted file to a base, as a user. Raises DriverError if it is no sound image of that format.

        `limits` are those of a tenant's image. What `report_written` raises ends the conversion.
        """
        if image_format not in FORMATS:
            raise DriverError(f"Images can be {' or '.join(FORMATS)} here, not {image_format}", retryable=False)
        give_file(file, user)
        qemu_img = self._qemu_img.as_user(user)
        if image_format != "raw":
            await qemu_img.check(file, image_format)
        with atomic_write(self._directory.image_file(base)) as new:
            copying = qemu_img.copy(
                file,
                new,
                source_format=image_format,
                seconds=limits.seconds if limits else COPY_SECONDS,
                max_bytes=limits.max_bytes + limits.max_bytes // METADATA_SHARE if limits else None,
            )
            await _watch_size(new, copying, report_written)
            take_file(new, user)

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Lock all bases, in all processes: none is imported or removed meanwhile."""
        return wait_for_lock(self._lock_file, POLL_INTERVAL)

    @asynccontextmanager
    async def reserve(self, copy_id: str, find_base: Callable[[], str | None]) -> AsyncIterator[str | None]:
        """Keep the base that `find_base` returns, if any, while a volume or a snapshot is written that will use it.

        The caller records in the context that it is used. The base is not locked: copies may take hours.
        """
        async with self.lock():
            base = find_base()
            if base is not None:
                self._records.reserve_base(copy_id, base)
        try:
            yield base
        finally:
            self._records.release_base(copy_id)

    def collect_garbage(self) -> None:
        """Remove unused files of deleted images; do nothing while the bases are locked: a later call removes them."""
        if (descriptor := try_lock(self._lock_file)) is None:
            return
        try:
            for base in self._records.removable_bases():
                self._directory.image_file(base).unlink(missing_ok=True)
                self._records.delete_removal_mark(base)
        finally:
            os.close(descriptor)

    @property
    def _lock_file(self) -> Path:
        return self._directory.folder / "images.lock"

    async def _import(self, file: Path, base: str) -> None:
        """Make a base from an operator's file, which only the server need be able to read."""
        with file.open("rb") as content:
            image_format = detect_format(content.read(HEAD), file.stat().st_size)
        if file.suffix == ".qcow2" and image_format.name != "qcow2":
            raise DriverError(
                f"The operator's file {file} is no qcow2 image, although its name says so", retryable=False
            )
        copy = self._directory.image_file(base).with_suffix(".fetched")
        try:
            await asyncio.to_thread(_copy_file, file, copy)
            await self.import_base(copy, image_format.name, base, self._directory.users.shared)
        finally:
            copy.unlink(missing_ok=True)

    def _find_operator_file(self, wanted_id: str) -> Path:
        """Return the operator's file for an image of the catalogue. Raises DriverError."""
        for region in self._catalogue.regions:
            for image in self._catalogue.images:
                if derive_public_image_id(region.id, image.name) == wanted_id:
                    return self._require_file(image.name, image.file)
        raise DriverError(f"Image {wanted_id} does not exist", retryable=False)

    def _require_file(self, name: str, file: str | None) -> Path:
        candidates = (
            [Path(file)] if file else [self._operator_files / f"{name}.{suffix}" for suffix in OPERATOR_SUFFIXES]
        )
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise DriverError(
                f"The operator has no file of the image {name}: put one at {candidates[0]}, or name its `file` in the"
                " catalogue",
                retryable=False,
            )
        return path


async def _watch_size(file: Path, copying: Coroutine[Any, Any, None], report_written: OnWritten | None) -> None:
    """Wait until a copy is complete, and report the size of its file meanwhile and at the end."""
    task = asyncio.ensure_future(copying)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=SIZE_INTERVAL)
            if report_written is not None and file.exists():
                await report_written(file.stat().st_size)
        await task
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


def share_base(file: Path | None, user: ProcessUser | None) -> None:
    """Let a user read a base: one of the operator is for all, one of a tenant for that tenant alone."""
    if file is None:
        return
    if len(file.stem) == ID_LENGTH + 1 + VERSION_LENGTH:
        publish_file(file)
    else:
        share_file(file, user)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as content, open_without_following_symlink(target, "wb") as copy:
        shutil.copyfileobj(content, copy, COPY_CHUNK)
