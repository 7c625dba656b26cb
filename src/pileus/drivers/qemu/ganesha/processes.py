"""The processes of file shares: start, change and end. The caller holds the lock of the file share."""

import asyncio
import hashlib
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.cgroups import create_cgroup
from pileus.drivers.qemu.child_processes import process_start_time
from pileus.drivers.qemu.ganesha import sandbox
from pileus.drivers.qemu.ganesha.configuration import ganesha_configuration
from pileus.drivers.qemu.ganesha.records import FileShareRecord, FileShareRecords
from pileus.drivers.qemu.log_files import ERROR_SIZE, ganesha_log, read_log_end
from pileus.drivers.qemu.namespaces.processes import NamespaceProcesses, NamespaceProgram, count_open_files
from pileus.drivers.qemu.paths import POLL_INTERVAL, DataDirectory, atomic_write

VCPUS, RAM = 2, 512
"""The bounds of a process: processors, and MiB of memory."""
APPLY_TIMEOUT = 30.0
"""Seconds that a start or a change may take."""


class GaneshaProcesses:
    """Starts, changes and ends the processes of file shares."""

    def __init__(self, directory: DataDirectory, namespaces: NamespaceProcesses, records: FileShareRecords) -> None:
        self._directory, self._namespaces, self._records = directory, namespaces, records

    def is_running(self, record: FileShareRecord) -> bool:
        """Return whether the process of a file share runs."""
        return self._namespaces.is_running(record.share.id, record.pid, record.started)

    async def start(self, record: FileShareRecord, devices: dict[str, Any]) -> FileShareRecord:
        """Start NFS-Ganesha, save the record with its process, and wait until it serves. Raises DriverError."""
        share_id, folder = record.share.id, self._folder(record)
        (folder / sandbox.APPLIED).unlink(missing_ok=True)
        digest = self._write_configuration(record)
        program = NamespaceProgram(
            name=share_id, folder=folder, log=self._log(record), command=_sandbox_command(folder), cwd=folder
        )
        start = record.starts + 1
        with self._namespaces.spawn(program, devices, start) as child:
            create_cgroup(share_id, child.pid, vcpus=VCPUS, ram=RAM)
            started = replace(record, pid=child.pid, started=process_start_time(child.pid), starts=start)
            self._records.save(started)
        await self._wait_until_served(started, digest)
        return started

    async def wait_until_served(self, record: FileShareRecord) -> None:
        """Wait until a process serves that may have been started just now, or end it. Raises DriverError."""
        await self._wait_until_served(record, self._write_configuration(record))

    async def reload(self, record: FileShareRecord) -> None:
        """Apply the access rules of a file share to its running process, at once. Raises DriverError."""
        await self._wait_until_applied(record, self._request_reload(record))

    async def restore_rules(self, record: FileShareRecord) -> None:
        """Let a process that could not apply other rules go on with those of the record, or else end it."""
        try:
            self._request_reload(record)
        except OSError:
            await self.end(record)

    async def end(self, record: FileShareRecord) -> None:
        """End the process of a file share, which unmounts its file system."""
        await self._namespaces.end(record.share.id, record.pid, record.started)

    def _folder(self, record: FileShareRecord) -> Path:
        return self._directory.file_share_directory(record.share.id)

    def _log(self, record: FileShareRecord) -> Path:
        return ganesha_log(self._directory.folder, record.share.id)

    def _request_reload(self, record: FileShareRecord) -> str:
        """Let the process read its configuration, and return the digest of that."""
        digest = self._write_configuration(record)
        if record.pid and self.is_running(record):
            with suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGHUP)
        return digest

    def _write_configuration(self, record: FileShareRecord) -> str:
        """Write the configuration, if it has changed, and return its digest."""
        path, content = self._folder(record) / sandbox.CONFIGURATION, _configuration(record)
        if not path.exists() or path.read_bytes() != content:
            with atomic_write(path) as new:
                new.touch(mode=0o600)
                new.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    async def _wait_until_served(self, record: FileShareRecord, digest: str) -> None:
        try:
            await self._wait_until_applied(record, digest)
        except DriverError:
            await self.end(record)
            raise

    async def _wait_until_applied(self, record: FileShareRecord, digest: str) -> None:
        deadline = time.monotonic() + APPLY_TIMEOUT
        while self.is_running(record) and time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                if (self._folder(record) / sandbox.APPLIED).read_text("utf-8") == digest:
                    return
            await asyncio.sleep(POLL_INTERVAL)
        messages = read_log_end(self._log(record), ERROR_SIZE).decode("utf-8", "replace").strip()
        raise DriverError(f"NFS-Ganesha does not serve the file share: {messages}", retryable=True)


def _configuration(record: FileShareRecord) -> bytes:
    return ganesha_configuration(record.share, record.rules.values()).encode()


def _sandbox_command(folder: Path) -> list[str]:
    limits = ["prlimit", "--core=0", f"--nofile={count_open_files()}", "--"]
    return [*limits, sys.executable, "-I", "-S", str(Path(sandbox.__file__)), str(folder)]
