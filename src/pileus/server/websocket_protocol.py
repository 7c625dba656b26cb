"""WebSocket connections: uvicorn's protocol, with the limit in number of all connections."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pileus.server.connections import ConnectionRegister
from pileus.server.http_protocol import NEVER


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket, which counts as a connection and is never idle."""

    def __init__(self, register: ConnectionRegister, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.register = register
        self.peer = ""
        self.deadline = NEVER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library does
        """Register the connection."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if self.register.admit(self):
            self.register.mark_busy(self)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.register.remove(self)
        super().connection_lost(exc)

    def close_for_timeout(self) -> None:
        """Do nothing: a WebSocket has no deadline."""

    def close_as_idle(self) -> None:
        """Close the connection."""
        self.transport.close()
