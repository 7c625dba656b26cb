"""qemu-img, run as the user whose disk it is, with limited memory and explicit formats."""

import json
import os
import signal
import subprocess
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.file_ownership import create_file
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.programs import Programs
from pileus.drivers.qemu.users import ProcessUser, command_as_user, environment_of_programs

MEMORY_LIMIT = 4 << 30
"""Bytes of address space: an image that needs more is taken as malicious."""
SECONDS, COPY_SECONDS = 600.0, 24 * 3600.0
"""Seconds after which qemu-img is killed: in general, and when it copies the server's own disks."""
THREADS = ThreadPoolExecutor(128, "qemu-img")
"""Threads that wait for qemu-img: more than tasks run at once, as copies of hours would use up those of asyncio."""
FILE_TOO_LARGE = b"File too large"
DISK_FULL = b"No space left on device"


class QemuImg:
    """Operations on disk images that no machine uses."""

    def __init__(self, programs: Programs, directory: DataDirectory, user: ProcessUser | None = None) -> None:
        self._programs, self._directory, self._user = programs, directory, user

    def as_user(self, user: ProcessUser | None) -> "QemuImg":
        """Return operations as a user, to whom the created files belong."""
        return QemuImg(self._programs, self._directory, user)

    async def create(self, path: Path, size: int | None, base: Path | None = None) -> None:
        """Create a disk of `size` bytes, or an overlay on `base`, by default of its size."""
        backing = ("-b", _relative_to_overlay(base), "-F", "qcow2") if base else ()
        create_file(path, self._user)
        await self.run("create", "-q", "-f", "qcow2", *backing, str(path), *([str(size)] if size else []))

    async def copy(  # noqa: PLR0913  # the options of a copy
        self,
        source: Path,
        path: Path,
        base: Path | None = None,
        source_format: str = "qcow2",
        *,
        seconds: float = COPY_SECONDS,
        max_bytes: int | None = None,
    ) -> None:
        """Copy a disk; with `base`, copy only what differs from it. Raises DriverError beyond `max_bytes` written."""
        backing = ("-B", _relative_to_overlay(base), "-F", "qcow2") if base else ()
        create_file(path, self._user)
        arguments = ("convert", "-q", "-f", source_format, "-O", "qcow2", *backing, str(source), str(path))
        await self.run(*arguments, seconds=seconds, max_bytes=max_bytes)

    async def resize(self, path: Path, size: int) -> None:
        """Resize a disk to `size` bytes, also to fewer than it has."""
        await self.run("resize", "-q", "-f", "qcow2", "--shrink", str(path), str(size))

    async def check(self, path: Path, image_format: str) -> None:
        """Check that a disk is sound. Raises DriverError."""
        await self.run("check", "-q", "-f", image_format, str(path))

    async def virtual_size(self, path: Path) -> int:
        """Return the bytes of a disk, which may be in use."""
        info: dict[str, Any] = json.loads(await self.run("info", "-U", "--output=json", "-f", "qcow2", str(path)))
        return int(info["virtual-size"])

    async def run(self, *arguments: str, seconds: float = SECONDS, max_bytes: int | None = None) -> bytes:
        """Run qemu-img and return its output. Raises DriverError with its error message, or after `seconds`."""
        limits = [f"--as={MEMORY_LIMIT}", "--core=0", *([f"--fsize={max_bytes}"] if max_bytes else [])]
        # Not by asyncio: event loops other than its own cannot start processes with another umask.
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # forking does not block; fixed arguments and own paths
            command_as_user(self._user, limits, [self._programs.img, *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._directory.volumes,
            start_new_session=True,
            umask=0o077,
            env=environment_of_programs(),
        )
        try:
            output, errors = await _communicate(process, seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            await _communicate(process)
            raise DriverError(f"qemu-img {arguments[0]} took more than {seconds:g} seconds", retryable=False) from None
        finally:
            # The caller was cancelled and does not need the result.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode == -signal.SIGXFSZ or FILE_TOO_LARGE in errors:
            raise DriverError(f"The image takes more than {max_bytes} bytes when it is stored", retryable=False)
        if process.returncode:
            raise _command_error(arguments[0], errors)
        return bytes(output)


async def _communicate(process: "subprocess.Popen[bytes]", seconds: float | None = None) -> tuple[bytes, bytes]:
    """Wait for the end of a process, and return its output. Raises TimeoutExpired."""
    return await get_running_loop().run_in_executor(THREADS, partial(process.communicate, timeout=seconds))


def _relative_to_overlay(path: Path) -> str:
    """Return the path of a base relative to its overlay's directory, which is a sibling."""
    return f"../{path.parent.name}/{path.name}"


def _command_error(verb: str, errors: bytes) -> DriverError:
    if DISK_FULL in errors:
        return DriverError("The host's disk is full", retryable=False)
    lines = errors.decode(errors="replace").strip().splitlines()
    return DriverError(f"qemu-img {verb} failed: {lines[-1] if lines else 'no error message'}", retryable=False)
