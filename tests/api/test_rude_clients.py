"""Slow, endless and invalid clients: a real server disconnects them and serves the others."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import KEY, Server, run_server

PATIENCE = 20
HEAD = b"PATCH /cloud/v1/instances/1/1/x HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey " + KEY.encode() + b"\r\n"


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with short timeouts and a small body limit."""
    with run_server(
        tmp_path_factory.mktemp("strict") / "data",
        "--header-timeout",
        "0.4",
        "--idle-timeout",
        "1",
        "--body-limit",
        "2048",
    ) as server:
        yield server


@pytest.fixture
def connection(strict_server: Server) -> Iterator[socket.socket]:
    """A TCP connection to the server."""
    host, _, port = strict_server.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        yield connection
    assert httpx.get(f"{strict_server.url}/healthz").status_code == 200


def receive_all(connection: socket.socket) -> bytes:
    """Receive until the server closes the connection or has answered."""
    received = b""
    while not received.endswith(b"}") and (more := _receive(connection)):
        received += more
    return received


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def status(response: bytes) -> int:
    return int(response.split(b" ", maxsplit=2)[1])


def test_the_connection_closes_if_headers_do_not_arrive(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")

    assert status(receive_all(connection)) == 408
    assert receive_all(connection) == b""


def test_a_silent_connection_is_closed(connection: socket.socket) -> None:
    assert receive_all(connection) == b""


def test_an_idle_connection_is_closed(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status(receive_all(connection)) == 200
    assert receive_all(connection) == b""


def test_a_connection_serves_several_requests(connection: socket.socket) -> None:
    for _ in range(5):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(receive_all(connection)) == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 600_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (HEAD + b"Content-Length: many\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
    ],
    ids=["many headers", "a large header", "a long path", "no request", "no version", "TLS", "no length", "no chunks"],
)
def test_an_invalid_request_is_rejected(connection: socket.socket, request_: bytes, expected: int) -> None:
    connection.sendall(request_)

    response = receive_all(connection)
    head, _, body = response.partition(b"\r\n\r\n")
    assert status(response) == expected
    assert set(json.loads(body)) == {"exception_class", "message", "request_id"}
    assert f"x-request-id: {json.loads(body)['request_id']}" in head.decode()


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n186a0\r\n"],
    ids=["told", "in chunks"],
)
def test_a_body_over_the_limit_is_rejected_before_it_arrives(connection: socket.socket, body: bytes) -> None:
    connection.sendall(HEAD + body + b"x" * 4096)

    response = receive_all(connection)
    assert status(response) == 413
    assert json.loads(response.partition(b"\r\n\r\n")[2])["exception_class"] == "RequestEntityTooLarge"


def test_a_client_that_disconnects_early_does_no_harm(connection: socket.socket, strict_server: Server) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    connection.close()

    assert httpx.get(f"{strict_server.url}/readyz").json()["status"] == "ready"
    assert "Traceback" not in strict_server.log.read_text()


def test_many_silent_connections_do_not_block_others(strict_server: Server) -> None:
    host, _, port = strict_server.url.removeprefix("http://").rpartition(":")
    silent = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(300)]

    answer = httpx.get(f"{strict_server.url}/healthz")
    for connection in silent:
        connection.close()

    assert answer.status_code == 200
