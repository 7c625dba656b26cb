"""HTTP/1.1 connections: uvicorn's protocol, with limits in time and number, and errors in the API's shape.

Times are bounded in every state. A connection has a deadline while it waits for a request, for headers, for a body, or
for a client that does not read. It has none while the application works. `ConnectionRegister.close_expired` enforces
the deadlines once a second, so that a request needs no timer of its own.
"""

import asyncio
import math
import os
import re
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pileus.api.immediate_answers import AnswerImmediately, FindAnswer, ImmediateAnswer
from pileus.api.lost_answers import TRANSPORT
from pileus.server.connections import ConnectionRegister

MAX_URL_BYTES = 64 << 10
MAX_HEADERS = 256
MAX_HEADER_BYTES = 64 << 10
"""Of all headers of a request together."""
RETRY_SECONDS = 1
"""What `Retry-After` says to a refused connection."""
LARGE_BODY_BYTES = 64 << 10
"""A larger body is written beside its head, also by one system call, in place of copied behind it."""
NEVER = math.inf
PLAIN_PATH = re.compile(rb"/[0-9A-Za-z/_.-]*")
"""A path that says what it means, without a query."""
GET = b"GET "
MAX_KNOWN_BYTES = 4 << 10
"""A longer head is parsed each time: each connection keeps one."""
REST_OF_HEAD = re.compile(rb" HTTP/1\.1\r\n(?:[^\r\n]+\r\n)+\r\n")
"""What follows the path in the head of one request; nothing follows the head."""
BODY_HEADERS = frozenset((b"content-length", b"transfer-encoding", b"expect"))
"""Those of a request with a body."""


class RefusedError(Exception):
    """Stops the parser, because the request was refused."""


class KnownHead(NamedTuple):
    """What followed the path in the head of a plain GET, as it arrived and as it was parsed."""

    received: bytes
    headers: list[tuple[bytes, bytes]]


class AnswerWriter:
    """Writes the head of an answer together with what follows it: each write is a system call, and often a packet.

    Takes the place of the transport in the library's object for one request and its answer. The head of a stream, whose
    length is unknown, does not wait.
    """

    __slots__ = ("_head", "_transport", "_unstarted", "is_closing")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._unstarted: RequestResponseCycle | None = cycle
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write data, or keep it if it is a head that a body will follow."""
        cycle = self._unstarted
        if cycle is not None and cycle.response_started:
            # The cycle refers to this object: both would wait for the garbage collector.
            self._unstarted = None
            if cycle.chunked_encoding is False and cycle.scope["method"] != "HEAD":
                self._head = data
                return
        head, self._head = self._head, b""
        if head and len(data) > LARGE_BODY_BYTES:
            self._transport.writelines((head, data))
        else:
            self._transport.write(head + data if head else data)

    def close(self) -> None:
        """Close the connection, after what has been kept."""
        self.write(b"")
        self._transport.close()


class HttpProtocol(HttpToolsProtocol):
    """One connection. It closes at its deadline, and makes room for others while it is idle."""

    def __init__(
        self,
        register: ConnectionRegister,
        answer_immediately: AnswerImmediately | None = None,
        find_answer: FindAnswer | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.register = register
        self.limits = register.limits
        self.peer = ""
        self.deadline = NEVER
        self._answer_immediately = answer_immediately
        self._find_answer = find_answer
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._default_lines = b""
        self._received = b""
        self._may_answer_at_once = False
        self._known_head: KnownHead | None = None
        self._is_answered = False
        self._has_body = False
        self._host_count = 0
        self._header_bytes = 0
        self._has_request = False
        self._unanswered = 0
        self._keeps_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library does
        """Accept the connection, or refuse it with 503 if the server is full."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self.deadline = self.loop.time() + self.limits.header_timeout
        if not self.register.admit(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Repeat the request a little later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.register.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, unless the connection is being closed, or a request only repeats the head of the last."""
        if self.transport.is_closing():
            return
        if self._known_head and not self._has_request and self._answer_known_head(self._known_head, data):
            return
        self._received = b"" if self._has_request else data
        self._may_answer_at_once = self._answer_immediately is not None
        super().data_received(data)
        self._may_answer_at_once, self._received = False, b""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]  # our own key
        self._host_count, self._header_bytes, self._has_request = 0, 0, True
        self._has_body = self._is_answered = False
        self.deadline = self.loop.time() + self.limits.header_timeout
        self.register.mark_busy(self)

    def on_url(self, url: bytes) -> None:
        """Keep a part of the URL."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse_request(HTTPStatus.REQUEST_URI_TOO_LONG, "The URL is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, and note what those say that concern the connection."""
        name = name.lower()
        self.headers.append((name, value))
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse_request(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large.")
        if name == b"host":
            self._host_count += 1
        elif name in BODY_HEADERS:
            self._has_body = True
            self.expect_100_continue |= name == b"expect" and value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Start the application, unless the request does not name exactly one host (RFC 9112 3.2).

        An answer that starts before the whole request has arrived closes the connection.
        """
        self.deadline = self.loop.time() + self.limits.body_timeout
        if self._host_count > 1 or (not self._host_count and self.parser.get_http_version() == "1.1"):
            self._refuse_request(HTTPStatus.BAD_REQUEST, "A request needs exactly one Host header.")
        if self._may_answer_at_once and self._answer_at_once():
            return
        super().on_headers_complete()
        if self._is_handed_over():
            self._unanswered += 1
            self.cycle.transport = AnswerWriter(self.transport, self.cycle)  # type: ignore[assignment]  # what it uses of it
            self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def _answer_at_once(self) -> bool:
        """Answer a plain GET without a task if the application can; return whether it is answered.

        Only the first of the requests that arrive together is answered so: others get their turn before the next one.
        """
        self._may_answer_at_once = False
        if not self._is_plain_get() or not self._answer_from_memory(self.url, self.headers):
            return False
        self._is_answered = True
        self._known_head = self._make_known_head()
        return True

    def _make_known_head(self) -> KnownHead | None:
        """Return what followed the path, if the request arrived alone and as a whole."""
        start, received = GET + self.url, self._received
        is_short = len(received) - len(start) <= MAX_KNOWN_BYTES
        if not (is_short and received.startswith(start) and REST_OF_HEAD.fullmatch(received, len(start))):
            return None
        return KnownHead(received[len(start) :], self.headers)

    def _answer_known_head(self, head: KnownHead, data: bytes) -> bool:
        """Answer a request that differs from the last one in nothing but its path, which needs no parser then.

        Clients repeat their headers on a connection. Returns whether it is answered.
        """
        if not data.startswith(GET) or not data.endswith(head.received) or self.flow.write_paused:
            return False
        path = data[len(GET) : -len(head.received)]
        if PLAIN_PATH.fullmatch(path) is None or not self._answer_from_memory(path, head.headers):
            return False
        self.register.mark_busy(self)
        self._become_idle()
        return True

    def _answer_from_memory(self, path: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
        """Answer a plain GET without a task if the application can; return whether it is answered."""
        if self._answer_immediately is None:
            return False
        answer = self._answer_immediately(
            {
                "type": "http",
                "method": "GET",
                "path": path.decode("ascii"),
                "query_string": b"",
                "root_path": self.root_path,
                "headers": headers,
                "client": self.client,
            }
        )
        if answer is None:
            return False
        self._write_answer(answer)
        self.server_state.total_requests += 1
        return True

    def _write_answer(self, answer: ImmediateAnswer, *, keep_alive: bool = True) -> None:
        status, fields, body = answer
        if self._default_headers is not self.server_state.default_headers:
            # The server replaces them once a second, with the date.
            self._default_headers = self.server_state.default_headers
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in self._default_headers])
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"%b%b%b%b%b" % (STATUS_LINE[status], self._default_lines, fields, end, body))
        if not keep_alive:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the application, which looks for a kept answer first if lookups wait."""
        if self._find_answer is not None and cycle.scope["method"] == "GET" and not cycle.scope["query_string"]:
            app = self._find_answer_first(self._find_answer, cycle, app)
        super()._start_asgi_task(cycle, app)

    def _find_answer_first(self, find_answer: FindAnswer, cycle: RequestResponseCycle, app: Any) -> Any:
        """Wrap the application: write a kept answer without the messages and checks of other answers."""

        async def handle(scope: Any, receive: Any, send: Any) -> None:
            # The application waits for a client that does not read its answers.
            answer = None if self.flow.write_paused else await find_answer(scope)
            if answer is None:
                await app(scope, receive, send)
                return
            cycle.response_started = cycle.response_complete = True
            # What stands there refers to the cycle: both would wait for the garbage collector.
            cycle.transport = self.transport
            if not cycle.disconnected:
                self._write_answer(answer, keep_alive=cycle.keep_alive)
                cycle.on_response()

        return handle

    def _is_plain_get(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"GET"
            and not self._has_body
            and PLAIN_PATH.fullmatch(self.url) is not None
            and getattr(self.cycle, "response_complete", True)
            and not self.flow.write_paused
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )

    def on_message_complete(self) -> None:
        """End the request; the application may take as long as it needs."""
        if self._is_answered:
            self._become_idle()
            return
        # An earlier answer that is not read yet keeps its deadline.
        if not self.flow.write_paused:
            self.deadline = NEVER
        if self._is_handed_over() and not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps_alive
        super().on_message_complete()

    def _is_handed_over(self) -> bool:
        """Return whether the application has the current request, which is not so for a WebSocket."""
        return getattr(self.cycle, "scope", None) is self.scope

    def on_response_complete(self) -> None:
        """Start the next request that has arrived, or wait for one."""
        self._unanswered -= 1
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_handed_over():
            self._become_idle()

    def _become_idle(self) -> None:
        """Wait for the next request, or first for the client to read the answer."""
        self._has_request = False
        if not self.flow.write_paused:
            self.deadline = self.loop.time() + self.limits.idle_timeout
        self.register.mark_idle(self)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol, which registers it anew."""
        self.register.remove(self)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Give a client that does not read its answer a deadline."""
        super().pause_writing()
        self.deadline = self.loop.time() + self.limits.body_timeout

    def resume_writing(self) -> None:
        """Replace the deadline of a client that did not read."""
        super().resume_writing()
        self.deadline = NEVER if self._has_request else self.loop.time() + self.limits.idle_timeout

    def close_for_timeout(self) -> None:
        """Close the connection; answer 408 if the headers of a request are incomplete."""
        self.deadline = NEVER
        is_incomplete = self._has_request and not self._unanswered
        if is_incomplete and not self.transport.get_write_buffer_size():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.")
        else:
            self.close_as_idle()

    def close_as_idle(self) -> None:
        """Close the connection without an answer."""
        # `close` would wait until the client has read what is left of an answer, or for an answer under way.
        if self._unanswered or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse_request(self, status: HTTPStatus, message: str) -> NoReturn:
        self._refuse(status, message)
        raise RefusedError

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        if self.transport.is_closing():
            return
        request_id = os.urandom(16).hex()
        body = msgspec.json.encode({"exception_class": "HTTPError", "message": message, "request_id": request_id})
        headers: dict[str, str | int] = {"content-type": "application/json", "content-length": len(body)}
        headers |= {"request_id": request_id, "x-request-id": request_id, "connection": "close"}
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["retry-after"] = RETRY_SECONDS
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()
