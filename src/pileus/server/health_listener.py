"""A second port for health checks and metrics, which load on the API's port cannot keep from answering.

It runs in a thread with an event loop of its own, so it answers `/healthz` while the main loop is busy, and tells a
busy loop from one that has stalled.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

from pileus.server.connections import ConnectionLimits
from pileus.server.http_server import HttpServer, listen

FORWARDED_PATHS = frozenset({"/readyz", "/metrics"})
STALL_SECONDS = 10.0
"""Seconds without a tick of the main loop after which the process counts as dead."""
FORWARD_SECONDS = 5.0
LIMITS = ConnectionLimits(total=64, per_peer=32, header_timeout=5, body_timeout=5, idle_timeout=15)


@contextmanager
def listen_for_health_checks(server: HttpServer, app: ASGIApp, address: str, port: int) -> Iterator[None]:
    """Answer health checks of the server on a port of its own, if it is not 0. Call it in the server's event loop."""
    if not port:
        yield
        return
    health_app = HealthApp(server, app, asyncio.get_running_loop())
    health_server = HttpServer(health_app, LIMITS, websockets=False, drain_seconds=0.1)
    listener = listen(address, port)
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Answer `/healthz` from this thread, and forward what needs the main loop."""
        if scope["path"] == "/healthz":
            messages = self._liveness()
        elif scope["path"] in FORWARDED_PATHS:
            messages = await self._forward(scope)
        else:
            messages = _json_response(404, {"message": "This port answers /healthz, /readyz and /metrics only."})
        for message in messages:
            await send(message)

    def _liveness(self) -> list[Message]:
        seconds = time.monotonic() - self._server.last_tick
        if seconds < STALL_SECONDS:
            return _json_response(200, {"status": "ok"})
        return _json_response(503, {"status": "stalled", "message": f"Nothing has run for {seconds:.0f} seconds."})

    async def _forward(self, scope: Scope) -> list[Message]:
        future = asyncio.run_coroutine_threadsafe(_collect_response(self._app, scope), self._loop)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), FORWARD_SECONDS)
        except TimeoutError:
            return _json_response(503, {"message": f"The server did not answer within {FORWARD_SECONDS:.0f} seconds."})


async def _collect_response(app: ASGIApp, scope: Scope) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages


def _json_response(status: int, content: dict[str, str]) -> list[Message]:
    body = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start: HTTPResponseStartEvent = {"type": "http.response.start", "status": status, "headers": headers}
    end: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
    return [start, end]
