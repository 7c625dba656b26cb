"""Talking to a machine: QMP, by the library of QEMU's own project."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, StateError

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.paths import short_socket_path

COMMANDS, EVENTS = "qmp.sock", "events.sock"
PATIENCE = 15.0
"""Seconds that a machine has to answer."""
# The library tells its own story of each lost connection, which is a machine's ordinary end.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class Silent(Exception):
    """A machine does not answer: it does not run, or no longer."""


class Monitor:
    """A conversation with a machine that runs."""

    def __init__(self, client: QMPClient) -> None:
        self._client = client

    async def do(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Let the machine do something; raises DriverError with what it says if it will not, and Silent."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._client.execute(command, arguments)
        except ExecuteError as refusal:
            raise DriverError(str(refusal), retryable=False) from refusal
        except (TimeoutError, ExecInterruptedError, StateError) as problem:
            raise Silent from problem

    async def runstate(self) -> str:
        """How the machine stands, in QEMU's own words (`RunState` of its QMP reference)."""
        return str((await self.do("query-status"))["status"])


@asynccontextmanager
async def conversation(folder: Path, name: str = COMMANDS) -> AsyncIterator[Monitor]:
    """Talk to the machine whose sockets are in a directory; raises Silent. One can talk at a time."""
    async with connected(folder, name) as client:
        yield Monitor(client)


@asynccontextmanager
async def connected(folder: Path, name: str) -> AsyncIterator[QMPClient]:
    """The library's client, connected; raises Silent."""
    client = QMPClient(name)
    try:
        with short_socket_path(folder / name) as address:
            async with asyncio.timeout(PATIENCE):
                await client.connect(address)
    except (OSError, ConnectError, TimeoutError, AssertionError) as problem:
        # The library asserts that a machine which has greeted is still there.
        await _hung_up(client)
        raise Silent from problem
    try:
        yield client
    finally:
        await _hung_up(client)


async def _hung_up(client: QMPClient) -> None:
    try:
        await client.disconnect()
    except (QMPError, OSError, EOFError):
        # The other side was faster.
        return
