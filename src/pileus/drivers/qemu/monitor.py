"""The monitor of a machine: QMP, by the library of the QEMU project."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, StateError

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.paths import short_socket_path

COMMANDS, EVENTS = "qmp.sock", "events.sock"
ANSWER_TIMEOUT = 15.0
"""Seconds that a machine has to answer."""
# The library logs each lost connection as an error; here it is the usual end of a machine.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class MonitorUnavailable(Exception):
    """A machine does not answer: it does not run, or has just ended."""


class Monitor:
    """A connection to the monitor of a running machine."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client

    async def execute_command(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Execute a command of QMP. Raises DriverError if QEMU refuses it, and MonitorUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self._client.execute(command, arguments)
        except ExecuteError as refusal:
            raise DriverError(str(refusal), retryable=False) from refusal
        except (TimeoutError, ExecInterruptedError, StateError) as problem:
            raise MonitorUnavailable from problem

    async def runstate(self) -> str:
        """Return the run state of the machine (`RunState` of QMP)."""
        return str((await self.execute_command("query-status"))["status"])


@asynccontextmanager
async def open_monitor(folder: Path, name: str = COMMANDS) -> AsyncIterator[Monitor]:
    """Open the monitor of the machine whose directory this is. Raises MonitorUnavailable.

    Its socket serves one client at a time.
    """
    async with connect_qmp_client(folder, name) as client:
        yield Monitor(client)


@asynccontextmanager
async def connect_qmp_client(folder: Path, name: str) -> AsyncIterator[QMPClient]:
    """Connect the library's client. Raises MonitorUnavailable."""
    client = QMPClient(name)
    try:
        with short_socket_path(folder / name) as address:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await client.connect(address)
    except (OSError, ConnectError, TimeoutError, AssertionError) as problem:
        # The library asserts that a machine is still there after its greeting.
        await _disconnect(client)
        raise MonitorUnavailable from problem
    try:
        yield client
    finally:
        await _disconnect(client)


async def _disconnect(client: QMPClient) -> None:
    try:
        await client.disconnect()
    except (QMPError, OSError, EOFError):
        # The machine has disconnected first.
        return
