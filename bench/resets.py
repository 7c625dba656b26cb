"""The time of a reset of the whole cloud, and of a tenant, with a thousand instances."""

import shutil
import time
from collections.abc import Iterator

import httpx

from bench.clouds import Clouds
from bench.results import Result, at_most, format_number
from bench.servers import HEADERS, free_port, run_pileus

RESET = "/_pileus/reset"
MILLISECONDS = 1_000


def measure_resets(clouds: Clouds) -> Iterator[Result]:
    """Measure resets of copies of the same cloud, from the request to the answer."""
    for name, query, goal in (("the cloud", "", at_most(50)), ("its only tenant", "?client_id=1", None)):
        times = [_measure(clouds, turn, query) for turn in range(clouds.sizes.rounds)]
        details = f"{clouds.sizes.reset:,} instances; best {format_number(min(times))} ms"
        yield Result(f"reset of {name}", times, "ms", goal, details)


def _measure(clouds: Clouds, turn: int, query: str) -> float:
    copy = clouds.folder / f"reset-{turn}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(clouds.data(clouds.sizes.reset), copy)
    with run_pileus(copy, free_port()) as server, httpx.Client(base_url=server.url, headers=HEADERS) as client:
        client.get("/cloud/v1/projects").raise_for_status()
        started = time.perf_counter()
        client.post(RESET + query).raise_for_status()
        return MILLISECONDS * (time.perf_counter() - started)
