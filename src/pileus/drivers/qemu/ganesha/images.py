"""The file system of a file share: an image file, whose size bounds what the share can contain."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryFile

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
from pileus.drivers.qemu.log_files import ERROR_SIZE
from pileus.drivers.qemu.paths import POLL_INTERVAL, atomic_write, try_lock

UNMOUNT_TIMEOUT = 10.0
"""Seconds that a process which is killed may take to unmount."""
CHECK_CODES = (0, 1)
"""Exit codes of e2fsck for a file system that is sound, or was repaired."""


class ShareImages:
    """Creates and resizes image files. They are sparse: what was never written takes no space."""

    def __init__(self, programs: GaneshaPrograms) -> None:
        self._programs = programs

    async def ensure_size(self, image: Path, size_gib: int) -> None:
        """Create a file system, or resize one that is not mounted. Safe to repeat. Raises DriverError."""
        if not image.exists():
            await self._create(image, size_gib)
            return
        # A program that a former server has started may still be changing the image.
        while (lock := try_lock(image)) is None:  # noqa: ASYNC110  # nothing signals the release of a file lock
            await asyncio.sleep(POLL_INTERVAL)
        try:
            await self._resize(image, size_gib, lock)
        finally:
            os.close(lock)

    async def wait_until_unmounted(self, image: Path) -> None:
        """Wait until the process that had an image mounted is gone: two at once would destroy the file system.

        Raises DriverError after a timeout.
        """
        deadline = time.monotonic() + UNMOUNT_TIMEOUT
        while device := await self._run(["losetup", "--associated", str(image)]):
            if time.monotonic() > deadline:
                raise DriverError(f"The file system of a file share is still in use: {device}", retryable=True)
            await asyncio.sleep(POLL_INTERVAL)

    async def _create(self, image: Path, size_gib: int) -> None:
        with atomic_write(image) as new:
            new.touch(mode=0o600)
            os.truncate(new, size_gib << 30)
            # All blocks are for the tenant: none are reserved for root.
            await self._run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard", str(new)])

    async def _resize(self, image: Path, size_gib: int, lock: int) -> None:
        size = size_gib << 30
        if image.stat().st_size < size:
            os.truncate(image, size)
        await self._run(["e2fsck", "-f", "-p", str(image)], CHECK_CODES, lock)
        await self._run(["resize2fs", str(image), f"{size_gib}G"], lock=lock)
        os.truncate(image, size)

    async def _run(self, command: list[str], codes: tuple[int, ...] = (0,), lock: int | None = None) -> str:
        """Return the messages of a program. Raises DriverError if it fails.

        The program also holds the lock. It goes on if the caller is cancelled or the server dies: a file system that
        is half resized is lost. So its messages go to a file, not to a pipe that breaks.
        """
        with TemporaryFile() as messages:
            # Not by asyncio, which kills its children when the server ends.
            child = subprocess.Popen(  # noqa: ASYNC220, S603  # forking does not block; fixed arguments and own paths
                command,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                pass_fds=() if lock is None else (lock,),
                start_new_session=True,
                env=self._programs.environment,
            )
            try:
                while child.poll() is None:  # noqa: ASYNC110  # it is polled, as the caller may be cancelled
                    await asyncio.sleep(POLL_INTERVAL)
            finally:
                # Without a return code, Python warns about a process that was not waited for.
                child.returncode = child.poll() or 0
            messages.seek(max(messages.seek(0, os.SEEK_END) - ERROR_SIZE, 0))
            message = messages.read().decode("utf-8", "replace").strip()
        if child.returncode not in codes:
            raise DriverError(f"The file system of a file share cannot be changed: {message}", retryable=False)
        return message
