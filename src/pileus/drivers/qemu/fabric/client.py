"""The client of the fabric's control socket, for the driver."""

import asyncio
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.fabric.state import FabricReport, FabricState, StateReply, StateRequest
from pileus.drivers.qemu.log_files import FABRIC_LOG
from pileus.drivers.qemu.paths import open_without_following_symlink, short_socket_path
from pileus.drivers.qemu.users import ProcessUser, environment_of_programs

SOCKET = "fabric.sock"
LINE_LIMIT = 64 << 20
"""Bytes of a line."""
REPLY_TIMEOUT, STOP_TIMEOUT = 30.0, 10.0
"""Seconds."""
CREDENTIALS = struct.Struct("iII")
"""`struct ucred` of the kernel: the process, its user and its group."""
PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
"""Environment variables by which Python finds its modules."""


class FabricNotRunning(OSError):
    """The fabric does not answer: it does not run."""


async def apply_state(folder: Path, state: FabricState) -> FabricReport:
    """Send the fabric a new state. Raises FabricGone, and DriverError if the state cannot be applied."""
    return await _request(folder, StateRequest(state=state))


async def fetch_report(folder: Path) -> FabricReport:
    """Return the fabric's report. Raises FabricGone."""
    return await _request(folder, StateRequest())


async def stop(folder: Path) -> None:
    """End the fabric that runs in a folder, if one does, and wait for that. Raises DriverError if it does not end."""
    with suppress(OSError):
        process = os.pidfd_open(await _find_process_id(folder))
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
            ended, _, _ = await asyncio.to_thread(select.select, [process], [], [], STOP_TIMEOUT)
        finally:
            os.close(process)
        if not ended:
            raise DriverError("The fabric of an earlier version does not end", retryable=True)


def start(folder: Path, user: ProcessUser | None) -> "subprocess.Popen[bytes]":
    """Start the fabric as a user and group, in a session of its own, so that it outlives the server.

    A second fabric in the same folder exits at once.
    """
    become = [str(user.uid), str(user.gid)] if user else []
    with open_without_following_symlink(folder / FABRIC_LOG, "ab") as log:
        if user:
            # The fabric truncates its log.
            os.fchown(log.fileno(), user.uid, user.gid)
        return subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-m", "pileus.drivers.qemu.fabric", str(folder), *become],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment_of_programs(*PYTHON_VARIABLES),
        )


async def _find_process_id(folder: Path) -> int:
    """Return the process that listens on the control socket. Raises OSError without one."""
    with short_socket_path(folder / SOCKET) as address:
        _, writer = await asyncio.open_unix_connection(address)
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    writer.close()
    return int(CREDENTIALS.unpack(credentials)[0])


async def _request(folder: Path, request: StateRequest) -> FabricReport:
    try:
        async with asyncio.timeout(REPLY_TIMEOUT):
            line = await _exchange(folder, msgspec.json.encode(request) + b"\n")
    except (OSError, TimeoutError) as problem:
        raise FabricNotRunning from problem
    if not line:
        raise FabricNotRunning
    reply = msgspec.json.decode(line, type=StateReply)
    if reply.report is None:
        raise DriverError(f"The network could not be applied: {reply.wrong}", retryable=True)
    return reply.report


async def _exchange(folder: Path, line: bytes) -> bytes:
    with short_socket_path(folder / SOCKET) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=LINE_LIMIT)
    try:
        writer.write(line)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
