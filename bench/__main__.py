"""`python -m bench` measures a small cloud; `python -m bench --million` one of a million instances."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench import load
from bench.load import Load
from bench.population import fill, instance_id
from bench.servers import KEY, floor, free_port, pileus
from pileus.app import catalogue_of
from pileus.settings import Settings

PORT = free_port()
ROUNDS, SECONDS = 3, 4.0
SMALL, LARGE = 1_000, 1_000_000
CONSOLE = Console(width=120)
HEADERS = {"Authorization": f"APIKey {KEY}"}
ONE = "/cloud/v1/instances/1/1/"
ALL = "/cloud/v1/instances/1/1"


def populated(folder: Path, count: int) -> Path:
    """A data directory with `count` instances."""
    with pileus(folder, PORT):
        pass
    fill(folder, catalogue_of(Settings()), count)
    return folder


def median_of(measure: Callable[[], Load]) -> tuple[Load, float]:
    """The median of some rounds, and how far the rounds lie apart, in per cent."""
    found = sorted((measure() for _ in range(ROUNDS)), key=lambda each: each.rate)
    spread = 100 * (found[-1].rate - found[0].rate) / found[-1].rate
    return Load(statistics.median(e.rate for e in found), statistics.median(e.median for e in found)), spread


def small(folder: Path) -> None:
    """Floor, GET, PATCH, lists, start-up and memory."""
    data, ids = populated(folder / "data", SMALL), [instance_id(number) for number in range(SMALL)]
    table = Table("what", "requests/s", "spread", "to the floor", "goal", title=f"{SMALL} instances, 16 connections")
    with pileus(data, PORT) as server:
        body = folder / "body"
        body.write_bytes(httpx.get(server.url + ONE + ids[0], headers=HEADERS).content)
    floors = {}
    with floor(body, PORT) as server:
        for method in ("GET", "PATCH"):
            floors[method], spread = median_of(lambda m=method: load.instances(server.url, ids, m, seconds=SECONDS))  # type: ignore[misc]
            table.add_row(f"floor, {method}", f"{floors[method].rate:,.0f}", f"{spread:.0f} %", "1", "")
    with pileus(data, PORT) as server:
        memory, started = server.memory(), server.seconds_to_ready
        for method, goal in (("GET", 0.6), ("PATCH", 0.4)):
            found, spread = median_of(lambda m=method: load.instances(server.url, ids, m, seconds=SECONDS))  # type: ignore[misc]
            ratio = found.rate / floors[method].rate
            table.add_row(method, f"{found.rate:,.0f}", f"{spread:.0f} %", f"{ratio:.2f}", f"≥ {goal}")
        for limit in (100, SMALL):
            found, spread = median_of(
                lambda n=limit: load.path(server.url, f"{ALL}?limit={n}", seconds=2, connections=4)
            )  # type: ignore[misc]
            ratio = found.rate / floors["GET"].rate
            table.add_row(f"list of {limit}", f"{found.rate:,.1f}", f"{spread:.0f} %", f"{ratio:.4f}", "")
    CONSOLE.print(table)
    CONSOLE.print(
        f"start to ready: {started:.2f} s (goal ≤ 1 s); idle memory: {memory / 1024:.0f} MiB (goal ≤ 100 MiB)"
    )


def large(folder: Path) -> None:
    """What a million instances with five million tags cost, against a thousand."""
    table = Table("what", "1,000: p50", "1,000,000: p50", "ratio", "goal", title="one connection, milliseconds")
    found: dict[tuple[str, int], float] = {}
    for count in (SMALL, LARGE):
        data = populated(folder / str(count), count)
        ids = [instance_id(number * (count // SMALL)) for number in range(SMALL)]
        with pileus(data, PORT) as server:
            for method in ("GET", "PATCH"):
                measured = load.instances(server.url, ids, method, seconds=8, connections=1)
                found[method, count] = measured.median
            for what, query in (
                ("page by tag", "?tag_key_value={%22serial%22:%22serial-3%22}"),
                ("first page of 10", "?limit=10"),
            ):
                found[what, count] = load.path(server.url, ALL + query, seconds=4, connections=1).median
    for what, goal in (
        ("GET", "ratio ≤ 1.3"),
        ("PATCH", "ratio ≤ 1.3"),
        ("page by tag", "≤ 20 ms"),
        ("first page of 10", ""),
    ):
        few, many = found[what, SMALL], found[what, LARGE]
        table.add_row(what, f"{few:.2f}", f"{many:.2f}", f"{many / few:.2f}", goal)
    CONSOLE.print(table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pileus-bench-") as temporary:
        (large if "--million" in sys.argv[1:] else small)(Path(temporary))
