"""The file system of a file share: an image file, whose size bounds what the share can contain."""

import asyncio
import os
import time
from pathlib import Path

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
from pileus.drivers.qemu.paths import POLL_INTERVAL, atomic_write

ERROR_SIZE = 2048
"""Bytes of messages that an error quotes."""
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
        size = size_gib << 30
        if image.stat().st_size < size:
            os.truncate(image, size)
        await self._run(["e2fsck", "-f", "-p", str(image)], CHECK_CODES)
        await self._run(["resize2fs", str(image), f"{size_gib}G"])
        os.truncate(image, size)

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

    async def _run(self, command: list[str], codes: tuple[int, ...] = (0,)) -> str:
        """Return the messages of a program. Raises DriverError if it fails."""
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._programs.environment,
        )
        output, _ = await child.communicate()
        message = output[-ERROR_SIZE:].decode("utf-8", "replace").strip()
        if child.returncode not in codes:
            raise DriverError(f"The file system of a file share cannot be changed: {message}", retryable=False)
        return message
