"""The stream of changes of a server with two processes, as consoles read it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers import KEY, Server, run_server

HEADERS = {"Authorization": f"APIKey {KEY}"}
STREAMS = 8
"""Enough that both processes have some: the system chooses the process of each connection."""


@contextmanager
def open_stream(server: Server, position: str = "") -> Iterator[Iterator[dict[str, str]]]:
    """Open a stream of changes on a connection of its own. Yield its events, when it has begun."""
    headers = HEADERS | ({"Last-Event-ID": position} if position else {})
    with (
        httpx.Client(base_url=server.url, headers=headers, timeout=30) as client,
        client.stream("GET", "/ui/changes") as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        yield _parse(lines)


def _parse(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in lines:
        if line:
            field, _, value = line.partition(":")
            event[field] = value.strip()
        elif "data" in event:
            yield event
            event = {}


def read_until(events: Iterator[dict[str, str]], resource_id: str) -> tuple[str, list[Any]]:
    """Read changes until the one of a resource. Return its position, and the ids in all of them."""
    ids: list[Any] = []
    for event in events:
        if event["event"] == "change":
            ids += json.loads(event["data"])["resource_ids"]
            if resource_id in ids:
                return event["id"], ids
    raise AssertionError(f"the stream has ended without {resource_id}")


def test_streams_of_all_processes_get_a_change_and_continue_where_they_broke_off(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--workers", "2") as server, ExitStack() as stack:
        api = stack.enter_context(httpx.Client(base_url=server.url, headers=HEADERS, timeout=30))
        streams = [stack.enter_context(open_stream(server)) for _ in range(STREAMS)]
        first = api.post("/cloud/v1/ssh_keys/1", json={"name": "first"}).json()["id"]
        changes = [read_until(stream, first) for stream in streams]
        missed = api.post("/cloud/v1/ssh_keys/1", json={"name": "missed"}).json()["id"]
        for position, _ in changes:
            with open_stream(server, position) as events:
                _, ids = read_until(events, missed)
                assert ids.count(missed) == 1

    assert [ids.count(first) for _, ids in changes] == [1] * STREAMS
