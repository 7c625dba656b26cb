"""Streams of the request log, and the log of several processes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import pileus.testing
from pileus.api.request_log.exchanges import Recorder, RequestLog
from pileus.api.request_log.parts import LogQuery, follow_parts, read_part
from pileus.testing.clouds import Cloud
from tests.servers import run_server

LOG = "/_pileus/requests"
WORKERS = 3


async def receive_nothing() -> Any:
    """Receive the end of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send_nowhere(_: Any) -> None:
    """Send a part of an answer to nobody."""


def add_exchanges(log: RequestLog, *request_ids: str) -> None:
    """Add exchanges whose requests were never answered."""
    scope: dict[str, Any] = {"method": "GET", "path": "/", "query_string": b"", "headers": [], "client": None}
    for request_id in request_ids:
        Recorder(log, scope | {"request_id": request_id}, receive_nothing, send_nowhere).end()


async def test_a_slow_reader_misses_exchanges_and_learns_how_many() -> None:
    log = RequestLog(max_count=3, max_bytes=1 << 20)
    parts = follow_parts(log, LogQuery(follow=True))
    await anext(parts)
    add_exchanges(log, *"abcde")

    part = await anext(parts)
    assert (part.dropped, [exchange.view.request_id for exchange in part.exchanges]) == (2, ["c", "d", "e"])
    assert part.exchanges[0].view.status is None


async def test_cleared_exchanges_are_not_missed() -> None:
    log = RequestLog(max_count=3, max_bytes=1 << 20)
    add_exchanges(log, *"abcde")
    log.clear()
    add_exchanges(log, "f")

    part = await read_part(log, LogQuery(limit=10))
    assert (part.dropped, part.number, [exchange.number for exchange in part.exchanges]) == (0, 6, [6])


async def test_a_stream_ends_when_the_server_stops() -> None:
    log = RequestLog(max_count=3, max_bytes=1 << 20)
    parts = follow_parts(log, LogQuery(follow=True))
    await anext(parts)
    waiting = asyncio.ensure_future(anext(parts, None))
    await asyncio.sleep(0)
    log.stop()

    assert await waiting is None


@pytest.fixture(scope="module")
def cloud() -> Cloud:  # type: ignore[misc]  # a generator
    """A server in a thread, for streams."""
    with pileus.testing.cloud(instance_cache_checked=True) as running:
        yield running


def read_events(lines: Any, count: int) -> list[tuple[str, Any]]:
    """Return the ids and the data of the first events of a stream."""
    events: list[tuple[str, Any]] = []
    event_id = ""
    while len(events) < count:
        name, _, value = next(lines).partition(": ")
        event_id = value if name == "id" else event_id
        if name == "data":
            events.append((event_id, json.loads(value)))
    return events


def test_a_stream_continues_after_the_last_event(cloud: Cloud) -> None:
    client = httpx.Client(base_url=cloud.base_url, headers=cloud.operator.headers, timeout=20)
    with client.stream("GET", f"{LOG}/stream", params={"operation": "list_projects"}) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": alive"
        cloud.operator.get("/cloud/v1/regions")
        for _ in range(3):
            cloud.operator.get("/cloud/v1/projects")
        first, second, third = read_events(lines, 3)
    cloud.operator.get("/cloud/v1/projects")
    headers = {"Last-Event-ID": second[0]}
    with client.stream("GET", f"{LOG}/stream", params={"operation": "list_projects"}, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        again = read_events(stream.iter_lines(), 2)

    assert len({first[0], second[0], third[0]}) == 3
    assert again[0] == third
    assert again[1][1]["request_id"] not in {event["request_id"] for _, event in (first, second, third)}


def test_a_stream_is_complete_when_its_server_stops() -> None:
    with pileus.testing.cloud() as running:
        client = httpx.Client(base_url=running.base_url, headers=running.operator.headers, timeout=20)
        stream = client.send(client.build_request("GET", f"{LOG}/stream"), stream=True)
        lines = stream.iter_lines()
        next(lines)

    assert [line for line in lines if line.startswith("data")] == []


def test_too_many_streams_are_429(cloud: Cloud) -> None:
    client = httpx.Client(base_url=cloud.base_url, headers=cloud.operator.headers, timeout=20)
    streams = [client.send(client.build_request("GET", f"{LOG}/stream"), stream=True) for _ in range(16)]
    lines = [stream.iter_lines() for stream in streams]
    assert {next(first_lines) for first_lines in lines} == {": alive"}
    refused = cloud.operator.get(f"{LOG}/stream")
    for stream in streams:
        stream.close()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


@pytest.fixture(scope="module")
async def workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.Client]:
    """A client of a server with several processes, which opens a connection for each request."""
    # A socket in a directory with a long name has a path that is too long for the operating system.
    folder = tmp_path_factory.mktemp("x" * 120)
    with run_server(folder / "data", "--workers", str(WORKERS)) as server:
        headers = {"Authorization": f"APIKey {server.environment['GCORE_API_KEY']}", "Connection": "close"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
            yield client


def reach_all_workers(client: httpx.Client) -> None:
    """Wait until each process of the server has written to the log."""
    while client.get(LOG, params={"limit": 1}).json()["position"].count(":") < WORKERS:
        pass


def test_processes_of_a_server_have_one_log(workers: httpx.Client) -> None:
    reach_all_workers(workers)
    position = workers.get(LOG, params={"limit": 1}).json()["position"]
    sent = [workers.get("/cloud/v1/projects").headers["x-request-id"] for _ in range(30)]

    answers = [workers.get(LOG, params={"after": position}).json() for _ in range(8)]
    assert {answer["count"] for answer in answers} == {30}
    assert all({exchange["request_id"] for exchange in answer["results"]} == set(sent) for answer in answers)
    assert [exchange["request_id"] for exchange in answers[0]["results"]] == sent


def test_processes_of_a_server_are_cleared_together(workers: httpx.Client) -> None:
    reach_all_workers(workers)
    for _ in range(10):
        workers.get("/cloud/v1/projects")
    workers.delete(LOG)

    assert {workers.get(LOG).json()["count"] for _ in range(8)} == {0}


def test_a_reset_clears_the_log_of_all_processes(workers: httpx.Client) -> None:
    reach_all_workers(workers)
    for _ in range(10):
        workers.get("/cloud/v1/projects")
    reset = workers.post("/_pileus/reset").raise_for_status()

    answers = [workers.get(LOG).json() for _ in range(8)]
    ids = [exchange["request_id"] for answer in answers for exchange in answer["results"]]
    assert set(ids) == {reset.headers["x-request-id"]}, "the reset itself ends after it has cleared the log"


def test_a_stream_has_the_exchanges_of_all_processes(workers: httpx.Client) -> None:
    reach_all_workers(workers)
    position = workers.get(LOG, params={"limit": 1}).json()["position"]
    first = [workers.get("/cloud/v1/projects").headers["x-request-id"] for _ in range(15)]
    with workers.stream("GET", f"{LOG}/stream", params={"after": position}) as stream:
        lines = stream.iter_lines()
        events = read_events(lines, 15)
        later = [workers.get("/cloud/v1/regions").headers["x-request-id"] for _ in range(15)]
        events += read_events(lines, 15)

    assert sorted(event["request_id"] for _, event in events) == sorted([*first, *later])
