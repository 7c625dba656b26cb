"""A cloud of a million instances, against one of a thousand: latencies over one connection."""

import http.client
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.clouds import Clouds
from bench.load import HttpRequest, delete_instances, measure_instances, measure_path, order_instances, send
from bench.population import instance_id, order_body
from bench.results import Goal, Result, at_most
from bench.servers import LIST, Server, free_port, run_pileus

MILLISECONDS = 1e3
CREATED = 100
GROWTH = at_most(1.2)
PAGE = at_most(5)
TAG_PAGE = at_most(20)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement of one cloud; the goal is that of the ratio of both, or of the large cloud's milliseconds."""

    name: str
    median: Callable[[Server, list[str]], float]
    growth: Goal | None = None
    milliseconds: Goal | None = None


def measure_large(clouds: Clouds, small: int, large: int, seconds: float) -> Iterator[Result]:
    """Measure each kind of request in both clouds, one after the other."""
    measurements = [
        Measurement("GET", partial(_median, "GET", seconds), GROWTH),
        Measurement("PATCH", partial(_median, "PATCH", seconds), GROWTH),
        Measurement("create, to the task's end", partial(_time_tasks, "POST"), GROWTH),
        Measurement("delete, to the task's end", partial(_time_tasks, "DELETE"), GROWTH),
        *(
            Measurement(name, partial(_median_of_page, query, seconds), None, goal)
            for name, query, goal in (
                ("first page of 10", "?limit=10", PAGE),
                ("page by tag", "?tag_key_value={%22serial%22:%22serial-3%22}", TAG_PAGE),
                ("page by a tag's value", "?tag_value=serial-3", TAG_PAGE),
            )
        ),
    ]
    medians = {count: _measure_cloud(clouds.data(count), count, measurements) for count in (small, large)}
    for row in measurements:
        few, many = medians[small][row.name], medians[large][row.name]
        if row.growth:
            details = f"{few:.2f} and {many:.2f} ms (p50)"
            yield Result(f"{row.name}: {large:,} / {small:,} instances", [many / few], "", row.growth, details)
        else:
            details = f"{few:.2f} ms with {small:,}"
            yield Result(f"{row.name}, {large:,} instances", [many], "ms", row.milliseconds, details)


def _measure_cloud(data: Path, count: int, measurements: list[Measurement]) -> dict[str, float]:
    ids = [instance_id(number) for number in range(0, count, max(1, count // 1000))]
    with run_pileus(data, free_port()) as server:
        return {row.name: row.median(server, ids) for row in measurements}


def _median(method: str, seconds: float, server: Server, ids: list[str]) -> float:
    return measure_instances(server.url, ids, method, seconds=2 * seconds, connections=1).p50


def _median_of_page(query: str, seconds: float, server: Server, _ids: list[str]) -> float:
    return measure_path(server.url, LIST + query, seconds=seconds, connections=1).p50


def _time_tasks(method: str, server: Server, ids: list[str]) -> float:
    """Return the median time in milliseconds from a request until a client learns that its task has ended."""
    requests = order_instances(order_body(), CREATED) if method == "POST" else delete_instances(ids[:CREATED])
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    times = []
    for request in requests:
        started_at = time.perf_counter()
        task = _send(connection, request)["tasks"][0]
        status = HttpRequest("GET", f"/cloud/v1/tasks/{task}")
        while (state := _send(connection, status)["state"]) != "FINISHED":
            if state == "ERROR":
                raise SystemExit(f"The task of {request.method} {request.path} failed")
        times.append(time.perf_counter() - started_at)
    connection.close()
    return MILLISECONDS * statistics.median(times)


def _send(connection: http.client.HTTPConnection, request: HttpRequest) -> dict[str, str]:
    answer: dict[str, str] = msgspec.json.decode(send(connection, request))
    return answer
