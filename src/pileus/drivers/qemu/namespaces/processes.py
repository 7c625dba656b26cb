"""Processes in network namespaces: start, change and end them. The caller holds the lock of what they are for."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.child_processes import ChildProcesses
from pileus.drivers.qemu.namespaces import runner
from pileus.drivers.qemu.namespaces.programs import NamespacePrograms
from pileus.drivers.qemu.paths import (
    POLL_INTERVAL,
    DataDirectory,
    open_without_following_symlink,
    short_socket_path,
    tap_socket,
)

MAX_OPEN_FILES = 65536
END_TIMEOUT = 10.0
"""Seconds that a process has to end, or to change its devices."""


class NamespaceProgram(Struct, frozen=True, kw_only=True):
    """A program: the id of what it is for, the folder of its runner, its log, its command and where it runs."""

    name: str
    folder: Path
    log: Path
    command: Sequence[str]
    cwd: Path


class NamespaceProcesses:
    """Starts, changes and ends processes, each known by the id of what it is for, by its number and its start time."""

    def __init__(self, directory: DataDirectory, children: ChildProcesses, programs: NamespacePrograms) -> None:
        self._directory, self._children, self._programs = directory, children, programs

    def is_running(self, name: str, pid: int | None, started: str | None) -> bool:
        """Return whether a process runs."""
        return self._children.is_same_running(name, pid, started)

    @contextmanager
    def spawn(
        self, program: NamespaceProgram, devices: dict[str, Any], start: int
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Start a program with devices that the fabric gets at the socket of this start.

        It begins at the end of the block, in which the caller saves its number. It ends if the server dies before that.
        """
        fabric = self._directory.users.fabric
        for former in program.folder.glob(tap_socket("*")):
            former.unlink()
        settings = {
            "command": program.command,
            "cwd": str(program.cwd),
            "fabric_uid": fabric.uid if fabric else None,
            "devices": devices,
            "tap_socket": tap_socket(start),
        }
        path = program.folder / runner.SETTINGS
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(settings), "utf-8")
        child = self._spawn_runner(program)
        self._children.track(program.name, child)
        assert child.stdin  # noqa: S101  # it is a pipe
        with child.stdin as gate:
            yield child
            with suppress(BrokenPipeError):
                gate.write(runner.GO)

    async def apply_devices(self, folder: Path, devices: dict[str, Any]) -> None:
        """Change the devices of a running process. Raises DriverError."""
        try:
            async with asyncio.timeout(END_TIMEOUT):
                with short_socket_path(folder / runner.CONTROL) as address:
                    reader, writer = await asyncio.open_unix_connection(address)
                try:
                    writer.write(json.dumps(devices).encode() + b"\n")
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as problem:
            raise DriverError(f"The devices of {folder.name} cannot be changed: {problem}", retryable=True) from problem
        if answer != runner.READY:
            message = answer.decode("utf-8", "replace")
            raise DriverError(f"The devices of {folder.name} cannot be changed: {message}", retryable=True)

    async def end(self, name: str, pid: int | None, started: str | None) -> None:
        """End a process."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + END_TIMEOUT
            if pid and self.is_running(name, pid, started):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.is_running(name, pid, started) and time.monotonic() < deadline:  # noqa: ASYNC110  # nothing signals its end
                await asyncio.sleep(POLL_INTERVAL)
        self._children.wait_and_untrack(name)

    def _spawn_runner(self, program: NamespaceProgram) -> "subprocess.Popen[bytes]":
        fabric = self._directory.users.fabric
        program.log.unlink(missing_ok=True)
        with open_without_following_symlink(program.log, "ab") as log:
            if fabric:
                # The fabric truncates the logs.
                os.fchown(log.fileno(), fabric.uid, fabric.gid)
            return subprocess.Popen(  # noqa: S603  # the server's own programs and paths
                self._programs.runner_command(str(program.folder)),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._programs.environment,
            )


def count_open_files() -> int:
    """Return how many files a process may have open: no more than the server may."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_OPEN_FILES if hard_limit == resource.RLIM_INFINITY else min(hard_limit, MAX_OPEN_FILES)
