"""Connections to a running server: how many, for how long, and what is not HTTP."""

import json
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.servers import KEY, Server, free_port, run_server

LONGEST = 10.0
LIMIT = 16
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE, LARGE_COUNT = b"GET /schema/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 8
"""Requests for answers of more than a megabyte each."""
ESTABLISHED = "01"
"""The state of a connection in /proc/net/tcp."""
SLOW_REQUEST = (
    f"PATCH /cloud/v1/projects/1 HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey {KEY}\r\nContent-Length: 20\r\n\r\n{{"
).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the lowest limits."""
    limits = ("--connection-limit", str(LIMIT), "--header-timeout", "2", "--body-timeout", "2", "--idle-timeout", "1")
    with run_server(tmp_path_factory.mktemp("connections") / "data", *limits) as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=LONGEST)


def ask(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and return the whole answer that follows, which has a Content-Length."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(65536)
        if not part:
            return answer
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def read_to_end(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


def is_open(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return not readable


def test_silent_connections_make_room_for_new_clients(server: Server) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(server)) for _ in range(2 * LIMIT)]
        client = stack.enter_context(connect(server))

        assert ask(client, HEALTHZ).startswith(b"HTTP/1.1 200")
        assert sum(is_open(connection) for connection in silent) <= LIMIT


def test_a_connection_between_two_requests_makes_room_too(server: Server) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(LIMIT)]
        for connection in idle:
            assert ask(connection, HEALTHZ).startswith(b"HTTP/1.1 200")

        assert ask(stack.enter_context(connect(server)), HEALTHZ).startswith(b"HTTP/1.1 200")
        assert idle[0].recv(1) == b""


def test_a_full_server_refuses_in_the_shape_of_the_api_and_says_when_to_try_again(server: Server) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(connect(server)) for _ in range(LIMIT)]
        for connection in busy:
            connection.sendall(SLOW_REQUEST)
        refused = read_to_end(stack.enter_context(connect(server)))
        while refused == b"":
            refused = read_to_end(stack.enter_context(connect(server)))

    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in head
    assert json.loads(body)["exception_class"] == "HTTPError"


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", b""), (b"GET /healthz HTTP/1.1\r\nHo", b"HTTP/1.1 408"), (SLOW_REQUEST, b""), (HEALTHZ, b"HTTP/1.1 200")],
    ids=["nothing", "half a head", "half a body", "one request"],
)
def test_a_connection_ends_when_its_time_is_up(sent: bytes, status: bytes, server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(sent)

        assert read_to_end(connection)[: len(status) or None] == status


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
def test_a_request_names_one_host(hosts: bytes, server: Server) -> None:
    with connect(server) as connection:
        answer = ask(connection, b"GET /healthz HTTP/1.1\r\n" + hosts + b"\r\n")

        assert answer.startswith(b"HTTP/1.1 400")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"] == "A request needs exactly one Host header."
        assert connection.recv(1) == b""


def test_what_is_not_http_is_refused(server: Server) -> None:
    with connect(server) as connection:
        assert ask(connection, b"\x16\x03\x01\x02\x00hello\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_an_answer_that_does_not_wait_for_the_body_closes_the_connection(server: Server) -> None:
    with connect(server) as connection:
        answer = ask(connection, b"PATCH /cloud/v1/projects/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer


def test_the_head_and_the_body_of_an_answer_arrive_together(server: Server) -> None:
    with connect(server) as connection:
        for _ in range(20):
            connection.sendall(HEALTHZ)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")

            assert head.startswith(b"HTTP/1.1 200")
            assert body


def test_an_answer_without_a_body_does_not_wait_for_one(server: Server) -> None:
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(HEALTHZ.replace(b"GET", b"HEAD"))
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")

            assert b"content-length" in head
            assert body == b""


def test_a_client_that_expects_it_is_told_to_continue(server: Server) -> None:
    head, _, body = SLOW_REQUEST.partition(b"\r\n\r\n")
    with connect(server) as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        invitation = connection.recv(65536)
        answer = ask(connection, body + b"}".rjust(19))

    assert invitation == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200")


def test_requests_in_one_packet_are_answered_in_order(server: Server) -> None:
    with connect(server) as connection:
        answers = ask(connection, HEALTHZ * 2)
        while answers.count(b'{"status":"ok"}') < 2:
            answers += connection.recv(4096)

    assert answers.count(b"HTTP/1.1 200") == 2


def is_held_by_server(connection: socket.socket) -> bool:
    """Return whether the server has not closed its end, which a client cannot see before it has read all answers."""
    own_port, server_port = connection.getsockname()[1], connection.getpeername()[1]
    ends = f"0100007F:{server_port:04X} 0100007F:{own_port:04X} {ESTABLISHED} "
    return ends in Path("/proc/net/tcp").read_text()


def ask_for_more_than_fits(connection: socket.socket) -> None:
    """Ask for answers that are larger than all buffers together."""
    connection.sendall(LARGE * LARGE_COUNT)


def test_a_connection_whose_client_does_not_read_is_closed(server: Server) -> None:
    with connect(server) as connection:
        ask_for_more_than_fits(connection)
        deadline = time.monotonic() + LONGEST
        while is_held_by_server(connection) and time.monotonic() < deadline:
            time.sleep(0.1)

        assert not is_held_by_server(connection)


def test_a_connection_is_closed_when_it_is_idle_after_answers_that_were_read_late(server: Server) -> None:
    with connect(server) as connection:
        ask_for_more_than_fits(connection)
        select.select([connection], [], [], LONGEST)

        assert read_to_end(connection).count(b"HTTP/1.1 200") == LARGE_COUNT


@pytest.fixture(scope="module")
def health_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def health(server_with_health_port: Server, health_port: int) -> Iterator[httpx.Client]:
    assert server_with_health_port.process.poll() is None
    with httpx.Client(base_url=f"http://127.0.0.1:{health_port}", timeout=LONGEST) as client:
        yield client


@pytest.fixture(scope="module")
def server_with_health_port(tmp_path_factory: pytest.TempPathFactory, health_port: int) -> Iterator[Server]:
    options = ("--connection-limit", str(LIMIT), "--health-port", str(health_port))
    with run_server(tmp_path_factory.mktemp("health") / "data", *options) as running:
        yield running


def test_the_health_port_answers_while_the_other_port_is_full(
    server_with_health_port: Server, health: httpx.Client
) -> None:
    with ExitStack() as stack:
        for _ in range(2 * LIMIT):
            stack.enter_context(connect(server_with_health_port)).sendall(SLOW_REQUEST)

        assert health.get("/healthz").json() == {"status": "ok"}
        assert health.get("/readyz").json()["status"] == "ready"


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/cloud/v1/projects", 404)])
def test_the_health_port_answers_health_checks_and_metrics_only(path: str, status: int, health: httpx.Client) -> None:
    assert health.get(path).status_code == status


def test_a_server_with_a_health_port_stops_cleanly(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--health-port", str(free_port())) as running:
        assert running.stop(signal.SIGTERM) == 0
