"""Answers that are kept, on connections to a running server with each database: nothing tells them from others."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from tests.databases import BACKENDS, database_url
from tests.orders import an_order
from tests.servers import KEY, Server, run_server
from tests.test_connections import HEALTHZ, LONGEST, ask, connect, is_open, read_to_end


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with database_url(request.param) as url:
        database = ("--database", url) if url else ()
        data = tmp_path_factory.mktemp("kept") / "data"
        with run_server(data, "--idle-timeout", "1", *database) as running:
            yield running


@pytest.fixture(scope="module")
def kept(server: Server) -> bytes:
    """The head of a request for an instance, whose answer the server keeps, without its end."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=LONGEST) as client:
        order = client.post("/cloud/v2/instances/1/1", json=an_order()).raise_for_status().json()
        while (task := client.get(f"/cloud/v1/tasks/{order['tasks'][0]}").json())["state"] not in ("FINISHED", "ERROR"):
            pass
        path = f"/cloud/v1/instances/1/1/{task['created_resources']['instances'][0]}"
        assert client.get(path).status_code == 200
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey {KEY}\r\n".encode()


UNSTABLE = re.compile(rb'(\r\ndate: |request.id"?: ?"?)([0-9a-f]{32}|\w{3}, [^\r]+)')
"""What differs between the answers to two equal requests: their time and their ids."""


def stable(answer: bytes) -> bytes:
    """Return an answer, or several, without what differs between two requests."""
    return UNSTABLE.sub(rb"\1", answer)


def test_a_kept_answer_is_that_of_the_application(server: Server, kept: bytes) -> None:
    with connect(server) as connection:
        from_memory = [ask(connection, kept + b"\r\n") for _ in range(3)]
        by_application = ask(connection, kept.replace(b" HTTP", b"?any=1 HTTP", 1) + b"\r\n")

    assert {answer.partition(b"\r\n\r\n")[2] for answer in from_memory} == {by_application.partition(b"\r\n\r\n")[2]}
    assert all(stable(answer) == stable(by_application) for answer in from_memory)
    assert b"\r\ndate: " in from_memory[0]


FOLLOWING: dict[str, Callable[[bytes], bytes]] = {
    "the same": lambda kept: kept + b"\r\n",
    "another path": lambda kept: kept.replace(b"/1/1/", b"/1/2/", 1) + b"\r\n",
    "no operation": lambda kept: kept.replace(b"/instances/", b"/nothing/", 1) + b"\r\n",
    "a query": lambda kept: kept.replace(b" HTTP", b"?limit=x HTTP", 1) + b"\r\n",
    "a coded path": lambda kept: kept.replace(b"/cloud", b"/%63loud", 1) + b"\r\n",
    "a space in the path": lambda kept: kept.replace(b" HTTP", b" / HTTP", 1) + b"\r\n",
    "a line in the path": lambda kept: kept.replace(b" HTTP", b" HTTP/1.1\r\nX: /b HTTP", 1) + b"\r\n",
    "a long path": lambda kept: kept.replace(b" HTTP", b"/" + 70_000 * b"a" + b" HTTP", 1) + b"\r\n",
    "another method": lambda kept: kept.replace(b"GET", b"PUT", 1) + b"\r\n",
    "another version": lambda kept: kept.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + b"\r\n",
    "a wrong key": lambda kept: kept.replace(KEY.encode(), b"1_" + KEY.encode(), 1) + b"\r\n",
    "two hosts": lambda kept: kept + b"Host: x\r\n\r\n",
    "an end": lambda kept: kept + b"Connection: close\r\n\r\n",
    "an empty line first": lambda kept: b"\r\n" + kept + b"\r\n",
    "lines without carriage returns": lambda kept: (kept + b"\r\n").replace(b"\r\n", b"\n"),
    "two requests": lambda kept: 2 * (kept + b"\r\n"),
    "a half behind it": lambda kept: kept + b"\r\n" + kept,
}
"""Requests that a client sends after one whose answer is kept."""


@pytest.mark.parametrize("following", FOLLOWING.values(), ids=FOLLOWING)
def test_a_request_is_read_the_same_way_after_a_kept_answer(
    server: Server, kept: bytes, following: Callable[[bytes], bytes]
) -> None:
    def ask_and_end(connection: socket.socket) -> bytes:
        answer = ask(connection, following(kept))
        with suppress(OSError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer += read_to_end(connection)
        return stable(answer)

    with connect(server) as connection, connect(server) as new_connection:
        for _ in range(2):
            ask(connection, kept + b"\r\n")

        assert ask_and_end(connection) == ask_and_end(new_connection)


def test_kept_answers_and_others_keep_their_order(server: Server, kept: bytes) -> None:
    requests = [kept + b"\r\n", HEALTHZ, kept + b"\r\n", kept + b"\r\n", HEALTHZ]
    received = b""
    with connect(server) as connection:
        connection.sendall(b"".join(requests))
        while received.count(b'{"status":"ok"}') < requests.count(HEALTHZ):
            received += connection.recv(65536)
    answers = received.split(b"HTTP/1.1 200 OK")[1:]

    assert [b'"status":"ok"' in answer for answer in answers] == [False, True, False, False, True]


def test_a_kept_answer_arrives_in_parts_as_its_request_does(server: Server, kept: bytes) -> None:
    with connect(server) as connection:
        for part in (kept[:9], kept[9:40], kept[40:]):
            connection.sendall(part)
            assert is_open(connection)
        assert ask(connection, b"\r\n").startswith(b"HTTP/1.1 200")
        assert ask(connection, HEALTHZ).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("end", "has_body"), [(b"Connection: close\r\n\r\n", True), (b"Host: y\r\n\r\n", False)])
def test_a_connection_ends_after_a_kept_answer_as_after_others(
    server: Server,
    kept: bytes,
    end: bytes,
    has_body: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    with connect(server) as connection:
        connection.sendall(kept + end)
        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 200" if has_body else b"HTTP/1.1 400")
    assert b"connection: close" in answer


def test_a_connection_is_closed_when_it_is_idle_after_a_kept_answer(server: Server, kept: bytes) -> None:
    with connect(server) as connection:
        ask(connection, kept + b"\r\n")

        assert read_to_end(connection) == b""


def test_the_head_of_a_kept_answer_is_sent_alone(server: Server, kept: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(kept.replace(b"GET", b"HEAD", 1) + b"\r\n")
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""
