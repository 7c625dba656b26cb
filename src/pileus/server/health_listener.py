"""A second port for health checks and metrics, which load on the API's port cannot keep from answering.

It runs in a thread with an event loop of its own, so it answers `/healthz` while the main loop is busy, and tells a
busy loop from one that has stalled.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.responses import EncodedJsonResponse
from pileus.server.connections import ConnectionLimits
from pileus.server.http_server import HttpServer

FORWARDED_PATHS = frozenset({"/readyz", "/startupz", "/metrics"})
STALL_SECONDS = 10.0
"""Seconds without a tick of the main loop after which the process counts as dead."""
FORWARD_SECONDS = 5.0
LIMITS = ConnectionLimits(total=64, per_peer=32, header_timeout=5, body_timeout=5, idle_timeout=15)


@contextmanager
def answer_health_checks(server: HttpServer, app: ASGIApp, listener: socket.socket | None) -> Iterator[None]:
    """Answer health checks of the server on a port of its own, if it has one. Call it in the server's event loop."""
    if listener is None:
        yield
        return
    health_app = HealthApp(server, app, asyncio.get_running_loop())
    health_server = HttpServer(health_app, LIMITS, websockets=False, drain_seconds=0.1)
    thread = threading.Thread(target=lambda: asyncio.run(health_server.serve([listener])), name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        health_server.should_exit = True


class HealthApp:
    """The ASGI application of the health port. `app` is the server's own application, which runs in `loop`."""

    def __init__(self, server: HttpServer, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._app = app
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/healthz` from this thread, and forward what needs the main loop."""
        if scope["path"] in FORWARDED_PATHS:
            await self._forward(scope, receive, send)
        elif scope["path"] == "/healthz":
            await self._liveness()(scope, receive, send)
        else:
            message = "This port answers /healthz, /readyz, /startupz and /metrics only."
            await _json_response(404, {"message": message})(scope, receive, send)

    def _liveness(self) -> ASGIResponse:
        seconds = time.monotonic() - self._server.last_tick
        if seconds < STALL_SECONDS:
            return _json_response(200, {"status": "ok"})
        return _json_response(503, {"status": "stalled", "message": f"Nothing has run for {seconds:.0f} seconds."})

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        future = asyncio.run_coroutine_threadsafe(_collect_response(self._app, scope), self._loop)
        try:
            messages = await asyncio.wait_for(asyncio.wrap_future(future), FORWARD_SECONDS)
        except TimeoutError:
            text = f"The server did not answer within {FORWARD_SECONDS:.0f} seconds."
            await _json_response(503, {"message": text})(scope, receive, send)
            return
        for message in messages:
            await send(message)


async def _collect_response(app: ASGIApp, scope: Scope) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages


def _json_response(status: int, content: dict[str, str]) -> ASGIResponse:
    return EncodedJsonResponse(status, msgspec.json.encode(content))
