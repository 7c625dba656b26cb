"""The fabric's control socket, which only its user and root can open: a line of JSON for a request and for a reply."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from pileus.drivers.qemu.fabric.client import LINE_LIMIT, SOCKET
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.state import StateReply, StateRequest

LOG = logging.getLogger(__name__)


@asynccontextmanager
async def serve_control(fabric: Fabric) -> AsyncIterator[None]:
    """Serve requests for as long as the context is open."""
    lock = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            async with lock:
                reply = await _handle_request(fabric, line)
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            LOG.warning("A client disconnected before the reply")
        finally:
            writer.close()

    Path(SOCKET).unlink(missing_ok=True)
    server = await asyncio.start_unix_server(serve, SOCKET, limit=LINE_LIMIT)
    async with server:
        yield


async def _handle_request(fabric: Fabric, line: bytes) -> StateReply:
    try:
        request = msgspec.json.decode(line, type=StateRequest)
    except msgspec.MsgspecError as problem:
        return StateReply(wrong=str(problem))
    try:
        if request.state is not None:
            await fabric.apply(request.state)
    except (OSError, ValueError) as problem:
        LOG.exception("The state could not be applied")
        return StateReply(wrong=str(problem))
    return StateReply(report=fabric.report())
