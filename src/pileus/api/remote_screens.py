"""Screens of machines that another server has: a WebSocket of a browser is relayed to a WebSocket of that server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from pileus.store import driver_homes
from pileus.store.database import Database

FORWARDED = "forwarded"
"""The parameter of a relayed WebSocket, which is not relayed again."""
CONNECT_SECONDS, GREETING_SECONDS = 3.0, 5.0
"""How long another server may take to accept a connection, and its machine to send the first bytes of the protocol."""
MAX_MESSAGE = 1 << 20
BINARY = Subprotocol("binary")


class RemoteScreen:
    """The screen of a machine that another server has. The machine has sent its greeting."""

    def __init__(self, connection: ClientConnection, greeting: bytes) -> None:
        self._connection = connection
        self._greeting = greeting

    async def read(self) -> AsyncIterator[bytes]:
        """Yield what the machine sends, until the connection ends."""
        yield self._greeting
        with suppress(WebSocketException):
            while True:
                yield await self._connection.recv(decode=False)

    async def write(self, data: bytes) -> None:
        """Send data to the machine; does nothing if the connection has ended."""
        with suppress(WebSocketException):
            await self._connection.send(data)

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()


@asynccontextmanager
async def open_remote_screen(db: Database, ticket: str) -> AsyncIterator[RemoteScreen | None]:
    """Open the screen of a ticket at the server that has issued it; None if there is none that accepts the ticket."""
    async with db.read() as tx:
        homes = await driver_homes.list_by_region(tx)
    for address in dict.fromkeys(home.address for home in homes.values()):
        url = f"ws{address.removeprefix('http')}/screens/socket?{urlencode({'ticket': ticket, FORWARDED: 1})}"
        if (screen := await _connect(url)) is not None:
            try:
                yield screen
            finally:
                await screen.close()
            return
    yield None


async def _connect(url: str) -> RemoteScreen | None:
    """Connect and wait for what the machine sends first; None if the server is away or refuses the ticket."""
    try:
        connection = await connect(
            url, subprotocols=[BINARY], open_timeout=CONNECT_SECONDS, max_size=MAX_MESSAGE, proxy=None
        )
    except (OSError, TimeoutError, WebSocketException):
        return None
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            greeting = await connection.recv(decode=False)
    except (TimeoutError, WebSocketException):
        await connection.close()
        return None
    return RemoteScreen(connection, greeting)
