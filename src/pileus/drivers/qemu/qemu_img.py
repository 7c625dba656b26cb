"""qemu-img: run as QEMU's user, bounded in time and memory, told each format."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.programs import Programs

MEMORY = 4 << 30
"""Bytes of address space: images that want more when they are looked at are not meant well."""
FULL = b"No space left on device"


class QemuImg:
    """What is done with disks that no machine uses."""

    def __init__(self, programs: Programs, home: DataDirectory) -> None:
        self._img = programs.img
        self._home = home

    async def create(self, path: Path, size: int | None, base: Path | None = None) -> None:
        """Make a disk of so many bytes, on top of another's content if that is named, and of its size if none is."""
        backing = ("-b", _beside(base), "-F", "qcow2") if base else ()
        await self.run("create", "-q", "-f", "qcow2", *backing, str(path), *([str(size)] if size else []))

    async def copy(self, source: Path, path: Path, base: Path | None = None, form: str = "qcow2") -> None:
        """Copy a disk that nobody changes; what its base has is left there, if that is named."""
        backing = ("-B", _beside(base), "-F", "qcow2") if base else ()
        await self.run("convert", "-q", "-f", form, "-O", "qcow2", *backing, str(source), str(path))

    async def resize(self, path: Path, size: int) -> None:
        """Give a disk so many bytes, be it fewer than it has."""
        await self.run("resize", "-q", "-f", "qcow2", "--shrink", str(path), str(size))

    async def check(self, path: Path, form: str) -> None:
        """Look whether a disk is sound; raises DriverError."""
        await self.run("check", "-q", "-f", form, str(path))

    async def size(self, path: Path, form: str = "qcow2") -> int:
        """How many bytes a disk has; it may be in use."""
        told: dict[str, Any] = json.loads(await self.run("info", "-U", "--output=json", "-f", form, str(path)))
        return int(told["virtual-size"])

    async def run(self, *arguments: str) -> bytes:
        """Run it; what it says when it fails becomes the DriverError that is raised."""
        # Not by asyncio: other event loops than its own cannot start processes as other users.
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # it is forked at once; arguments are all ours
            ["prlimit", f"--as={MEMORY}", self._img, *arguments],  # noqa: S607  # of util-linux, wherever that is
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._home.volumes,
            **self._home.popen_credentials(),
        )
        try:
            out, wrong = await asyncio.to_thread(process.communicate)
        finally:
            # Whoever no longer waits for it does not want it either.
            if process.poll() is None:
                process.kill()
        if process.returncode:
            raise _failed(arguments[0], wrong)
        return bytes(out)


def _beside(path: Path) -> str:
    """A base's name in what stands on it: both lie in directories that lie beside each other."""
    return f"../{path.parent.name}/{path.name}"


def _failed(verb: str, wrong: bytes) -> DriverError:
    if FULL in wrong:
        return DriverError("The host's disk is full", retryable=False)
    said = wrong.decode(errors="replace").strip().splitlines()
    return DriverError(f"qemu-img {verb} failed: {said[-1] if said else 'it said nothing'}", retryable=False)
