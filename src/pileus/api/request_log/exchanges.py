"""Keep the last requests with their answers, as they are: what shows them also parses and redacts them.

An exchange is added before the last part of its answer is sent, so that a client who has an answer finds it in the log.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from pileus.domain.places import Caller

MAX_BODY = 1 << 20
"""Longer bodies are not kept."""
OVERHEAD = 1500
"""Bytes of an exchange beside its texts and bodies, about."""
MAX_USER_AGENT = 500
UNLOGGED = {"logged": False}
"""Part of the `opt` of operations that the log leaves out: those that read it, and those that programs repeat."""
Body = bytes | bytearray | int
"""A body, or the size of one that is too long to be kept."""


class Exchange(Struct, frozen=True):
    """A request and its answer. `status` is None if the answer never began. `handler` is None for unknown paths."""

    number: int
    size: int
    request_id: str
    ended_at: int
    seconds: float
    method: str
    path: str
    query: bytes
    status: int | None
    handler: HTTPRouteHandler | None
    project_id: int | None
    caller: Caller | None
    client: tuple[str, int] | None
    user_agent: bytes
    content_length: bytes
    request_body: Body
    response_body: Body

    @property
    def started_at(self) -> int:
        """The time in microseconds since 1970."""
        return self.ended_at - int(self.seconds * 1_000_000)


class Recorder:
    """Stands between the server and the application for one request, and keeps both bodies.

    Without `receive` and `send` it is told what is answered.
    """

    __slots__ = (
        "_has_ended",
        "_log",
        "_method",
        "_query",
        "_receive",
        "_request_body",
        "_response_body",
        "_scope",
        "_send",
        "_started",
        "_status",
    )  # fmt: skip

    def __init__(self, log: "RequestLog", scope: Any, receive: Receive | None = None, send: Send | None = None) -> None:
        self._log, self._scope = log, scope
        self._receive: Any = receive
        self._send: Any = send
        self._method, self._query = scope["method"], scope["query_string"]
        self._request_body: Body = b""
        self._response_body: Body = b""
        self._status: int | None = None
        self._started = time.perf_counter()
        self._has_ended = False

    async def receive(self) -> Any:
        """Receive a part of the request, and keep it."""
        message: Any = await self._receive()
        if body := message.get("body"):
            self._request_body = _joined(self._request_body, body)
        return message

    def send(self, message: Any) -> Awaitable[None]:
        """Keep a part of the answer, and send it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            if body := message.get("body"):
                self._response_body = _joined(self._response_body, body)
            if not message.get("more_body", False):
                self.end()
        sending: Awaitable[None] = self._send(message)
        return sending

    def end_with(self, status: int, body: bytes, started: float) -> None:
        """Add the exchange with an answer that is complete, to a request that arrived at a time of `perf_counter`."""
        self._status, self._response_body, self._started = status, body, started
        self.end()

    def end(self) -> None:
        """Add the exchange to the log, once."""
        if self._has_ended:
            return
        self._has_ended, scope = True, self._scope
        handler = scope.get("route_handler")
        if handler is not None and not handler.opt.get("logged", True):
            return
        headers, path, request, response = (
            dict(scope["headers"]),
            scope["path"],
            self._request_body,
            self._response_body,
        )
        size = OVERHEAD + len(path) + len(self._query) + _size_in_memory(request) + _size_in_memory(response)
        # A tuple in the order of the fields of Exchange: it is made ten times as fast.
        self._log.add(
            (
                size,
                scope["request_id"],
                time.time_ns() // 1000,
                time.perf_counter() - self._started,
                self._method,
                path,
                self._query,
                self._status,
                handler,
                params.get("project_id") if (params := scope.get("path_params")) else None,
                scope.get("caller"),
                scope.get("client"),
                headers.get(b"user-agent", b"")[:MAX_USER_AGENT],
                headers.get(b"content-length", b""),
                request,
                response,
            )
        )


class RequestLog:
    """The last exchanges of this process, in the order in which they ended. Their numbers never repeat."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self.worker_id = os.urandom(4).hex()
        self.last_number = 0
        self._max_count, self._max_bytes = max_count, max_bytes
        self._exchanges: deque[tuple[Any, ...]] = deque()
        self._bytes = 0
        self._cleared_until = 0
        self._events: set[asyncio.Event] = set()
        self.has_stopped = False

    def add(self, fields: tuple[Any, ...]) -> None:
        """Add an exchange, given by its fields without the number, and remove the oldest ones over the bounds."""
        self.last_number += 1
        self._exchanges.append(fields)
        self._bytes += fields[0]
        while len(self._exchanges) > self._max_count or self._bytes > self._max_bytes:
            self._bytes -= self._exchanges.popleft()[0]
        for event in self._events:
            event.set()

    def clear(self) -> None:
        """Remove all exchanges."""
        self._exchanges.clear()
        self._bytes, self._cleared_until = 0, self.last_number

    def list_after(self, number: int, limit: int | None = None) -> tuple[list[Exchange], int]:
        """Return the first exchanges after a number, and how many before them had to make room for later ones."""
        # A number of the future comes from another start of the server.
        after = number if number <= self.last_number else 0
        first = self.last_number - len(self._exchanges) + 1
        start = max(0, after - first + 1)
        selected = islice(self._exchanges, start, None if limit is None else start + limit)
        exchanges = [Exchange(number, *fields) for number, fields in enumerate(selected, first + start)]
        return exchanges, max(0, first - 1 - max(after, self._cleared_until))

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever an exchange is added, and when the server stops."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.remove(event)

    def stop(self) -> None:
        """End the streams: the server stops."""
        self.has_stopped = True
        for event in self._events:
            event.set()


def record_exchanges(app: ASGIApp, log: RequestLog) -> ASGIApp:
    """Wrap the application and all that stands before it: put each exchange into the log as the client sees it."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        recorder = Recorder(log, scope, receive, send)
        try:
            await app(scope, recorder.receive, recorder.send)
        finally:
            recorder.end()

    return handle


def _joined(begin: Body, part: bytes) -> Body:
    """Return a body with its next part. A body in one part, as nearly all are, is not copied."""
    if isinstance(begin, int):
        return begin + len(part)
    joined: bytes | bytearray = part
    if begin:
        joined = begin if isinstance(begin, bytearray) else bytearray(begin)
        joined += part
    return joined if len(joined) <= MAX_BODY else len(joined)


def _size_in_memory(body: Body) -> int:
    return 0 if isinstance(body, int) else len(body)
