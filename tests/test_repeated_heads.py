"""A GET that repeats the head of the last one on its connection is answered without being parsed; all others are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pileus.api.immediate_answers import ImmediateAnswer
from pileus.server.connections import ConnectionLimits, ConnectionRegister
from pileus.server.http_protocol import MAX_KNOWN_BYTES, HttpProtocol

HEAD = b" HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey 1_x\r\n\r\n"


class Wire(asyncio.Transport):
    """The transport of one connection, whose answers are kept."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 2), "sockname": ("127.0.0.1", 1)})
        self.written = b""

    def write(self, data: Any) -> None:
        """Keep what is written."""
        self.written += data

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """Return that it stays open."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing."""


async def answer_nothing(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Client:
    """A connection to a server that knows the answers to all paths below /kept/."""

    def __init__(self) -> None:
        config = uvicorn.Config(answer_nothing, lifespan="off")
        config.load()
        self.wire, self.scopes, self.parsed, state = Wire(), list[Any](), list[bytes](), ServerState()
        self.tasks = state.tasks
        self.protocol = HttpProtocol(
            ConnectionRegister(ConnectionLimits()),
            self._answer,
            config=config,
            server_state=state,
            app_state={},
        )
        self.protocol.connection_made(self.wire)
        self._parser = self.protocol.parser
        self.protocol.parser = self  # type: ignore[assignment]  # what the protocol uses of a parser

    def feed_data(self, data: bytes) -> None:
        """Parse data, and keep it."""
        self.parsed.append(data)
        self._parser.feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def _answer(self, scope: Any) -> ImmediateAnswer | None:
        self.scopes.append(scope)
        is_kept = scope["path"].startswith("/kept/")
        return ImmediateAnswer(200, b"content-length: 2\r\n", scope["path"][-2:].encode()) if is_kept else None

    def send(self, data: bytes) -> bool:
        """Send something, and return whether it was parsed."""
        count = len(self.parsed)
        self.protocol.data_received(data)
        return len(self.parsed) > count


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    client.protocol.connection_lost(None)
    await asyncio.gather(*client.tasks)


async def test_a_repeated_head_is_not_parsed_and_means_the_same(client: Client) -> None:
    requests = [b"GET /kept/" + name + HEAD for name in (b"a1", b"a1", b"b2")]

    assert [client.send(request) for request in requests] == [True, False, False]
    assert [answer[-2:] for answer in client.wire.written.split(b"HTTP/1.1 200 OK")[1:]] == [b"a1", b"a1", b"b2"]
    assert client.scopes[1] == client.scopes[0]
    assert client.scopes[2] == client.scopes[0] | {"path": "/kept/b2"}


@pytest.mark.parametrize(
    "other",
    [
        b"GET /other" + HEAD,
        b"GET /kept/a1?x=1" + HEAD,
        b"PUT /kept/a1" + HEAD,
        b"GET /kept/a1" + HEAD.replace(b"1_x", b"1_y"),
        b"GET /kept/a1" + HEAD + HEAD,
        b"GET /kept/a1 HTTP/1.1\r\nX: /b" + HEAD,
        b"\r\nGET /kept/a1" + HEAD,
        b"GET /kept/a1",
    ],
)
async def test_another_request_is_parsed(client: Client, other: bytes) -> None:
    client.send(b"GET /kept/a1" + HEAD)

    assert client.send(other)


async def test_a_head_that_arrived_in_parts_is_not_known(client: Client) -> None:
    request = b"GET /kept/a1" + HEAD
    for part in (request[:30], request[30:], request, b"GET /kept/a1 HTTP/1.1\r\nHost: y\r\nX: ", request):
        assert client.send(part)

    # The last part was a header of a request, and is a request now.
    assert client.send(request)
    assert client.scopes[-1]["headers"] == [(b"host", b"x"), (b"authorization", b"APIKey 1_x")]


@pytest.mark.parametrize("other", [2 * (b"GET /kept/a1" + HEAD), b"GET /kept/a1" + HEAD + b"GET /kept/b2"])
async def test_a_head_that_arrived_with_others_is_not_known(client: Client, other: bytes) -> None:
    client.send(other)
    client.send(HEAD)

    assert client.send(b"GET /kept/a1" + HEAD)


async def test_a_long_head_is_not_kept(client: Client) -> None:
    request = b"GET /kept/a1" + HEAD.replace(b"1_x", b"x" * MAX_KNOWN_BYTES)

    assert [client.send(request), client.send(request)] == [True, True]


async def test_a_client_that_does_not_read_its_answers_gets_no_more_at_once(client: Client) -> None:
    request = b"GET /kept/a1" + HEAD
    client.send(request)
    client.protocol.pause_writing()

    assert client.send(request)
    assert client.wire.written.count(b"HTTP/1.1") == 1
