"""The HTTP server of a process: uvicorn with our protocol, on a socket that other processes can share."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from pileus.api.immediate_answers import AnswerImmediately, FindAnswer
from pileus.server.connections import ConnectionLimits, ConnectionRegister
from pileus.server.http_protocol import HttpProtocol

BACKLOG = 1024
TICKS_PER_SWEEP = 10
"""The server ticks ten times a second, and looks for connections to close once."""


class HttpServer(uvicorn.Server):
    """Serves an application until `should_exit` is set. Signals are the caller's."""

    def __init__(  # noqa: PLR0913  # each caller names the few that it needs
        self,
        app: ASGIApp,
        limits: ConnectionLimits,
        *,
        websockets: bool,
        drain_seconds: float,
        trusted_proxies: str = "",
        answer_immediately: AnswerImmediately | None = None,
        find_answer: FindAnswer | None = None,
    ) -> None:
        self.register = ConnectionRegister(limits)
        self.last_tick = time.monotonic()
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(HttpProtocol, self.register, answer_immediately, find_answer),  # type: ignore[arg-type]  # called like the class
                ws=_websocket_protocol(self.register) if websockets else "none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # The address of a client is that of its connection: only a trusted proxy may claim another by a header.
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=trusted_proxies,
                timeout_graceful_shutdown=drain_seconds,  # type: ignore[arg-type]  # only compared with a time
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose deadline has passed; return whether to stop."""
        self.last_tick = time.monotonic()
        if not counter % TICKS_PER_SWEEP:
            self.register.close_expired()
        return await super().on_tick(counter)


def _websocket_protocol(register: ConnectionRegister) -> Any:
    """Return what makes the protocol of a connection, as the class does."""
    from pileus.server.websocket_protocol import WebSocketProtocol  # noqa: PLC0415  # most servers have no screens

    return partial(WebSocketProtocol, register)


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens on the port, which other processes can share."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
