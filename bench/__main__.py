"""Run the benchmarks: a small cloud and real machines, a cloud of a million instances, or real machines alone.

The options are `--million` and `--machines`.
"""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench import fabric, load, machines
from bench.load import Load
from bench.population import fill, instance_id, order_body
from bench.servers import KEY, free_port, run_baseline, run_pileus
from pileus.app import load_catalogue
from pileus.settings import Settings

PORT = free_port()
ROUNDS, SECONDS = 3, 4.0
SMALL, LARGE = 1_000, 1_000_000
DELETABLE = 12_000
"""The number of instances that the mixture may delete."""
MIXTURE = "70 % GET, 20 % PATCH, 10 % create and delete"
GOALS = {"GET": "≥ 0.6", "PATCH": "≥ 0.4", MIXTURE: ""}
CONSOLE = Console(width=120)
HEADERS = {"Authorization": f"APIKey {KEY}"}
INSTANCE = "/cloud/v1/instances/1/1/"
INSTANCES = "/cloud/v1/instances/1/1"
FILTERS = (
    "",
    "name=web-1",
    "ip=10.0.0.7",
    "status=ACTIVE",
    "status=ERROR",
    "flavor_id=g1-standard-1-2",
    "flavor_prefix=g1-",
    "exclude_flavor_prefix=g1-",
    "exclude_secgroup=default",
    "available_floating=true",
    "only_with_fixed_external_ip=true",
    "only_isolated=true",
    "uuid=00000000-0000-4000-8000-000000000007",
    "tag_key=env",
    "tag_value=env-3",
    "tag_key_value={%22env%22:%22env-3%22}",
    "tag_key_value={%22serial%22:%22serial-3%22}",
    "changes-before=2030-01-01T00:00:00Z",
    "changes-since=2030-01-01T00:00:00Z",
    "include_baremetal=true",
    "include_ai=true",
    "with_ddos=true",
    "with_ddos=true&type_ddos_profile=basic",
    "with_ddos=true&profile_name=none",
    "with_ddos=true&protection_status=Active",
    "order_by=name.asc",
)
"""Queries for the list of instances, with each of its filters."""


def populate(folder: Path, count: int) -> Path:
    """Create a data directory with `count` instances."""
    with run_pileus(folder, PORT):
        pass
    fill(folder, load_catalogue(Settings()), count)
    return folder


def measure_median(measure: Callable[[], Load]) -> tuple[Load, float]:
    """Return the median of all rounds, and the spread of the rounds in per cent."""
    loads = sorted((measure() for _ in range(ROUNDS)), key=lambda load: load.rate)
    spread = 100 * (loads[-1].rate - loads[0].rate) / loads[-1].rate
    return Load(
        statistics.median(load.rate for load in loads), statistics.median(load.median for load in loads)
    ), spread


def measure_small(folder: Path) -> None:
    """Measure GET, PATCH and a mixture against the baseline; and lists with each filter, start-up and memory."""
    data, ids = populate(folder / "data", SMALL + DELETABLE), [instance_id(number) for number in range(SMALL)]
    deletable = [instance_id(number) for number in range(SMALL, SMALL + DELETABLE)]
    mixtures = [deletable[start :: 2 * ROUNDS] for start in range(2 * ROUNDS)]
    measurements: dict[str, Callable[[str], Load]] = {
        "GET": lambda url: load.measure_instances(url, ids, "GET", seconds=SECONDS),
        "PATCH": lambda url: load.measure_instances(url, ids, "PATCH", seconds=SECONDS),
        MIXTURE: lambda url: load.measure_mixture(url, ids, mixtures.pop(), order_body(), seconds=SECONDS),
    }
    with run_pileus(data, PORT) as server:
        body = folder / "body"
        body.write_bytes(httpx.get(server.url + INSTANCE + ids[0], headers=HEADERS).content)
    with run_baseline(body, PORT) as server:
        baseline = _measure_all(measurements, server.url)
    with run_pileus(data, PORT) as server:
        memory, started = server.memory(), server.seconds_to_ready
        results = _measure_all(measurements, server.url)
    with run_pileus(populate(folder / "few", SMALL), PORT) as server:
        measure_lists(server.url)
    table = Table("requests", "requests/s", "spread", "ratio", "goal", title="1,000 instances, 16 connections")
    for kind, goal in GOALS.items():
        for name, (result, spread) in ((f"baseline, {kind}", baseline[kind]), (kind, results[kind])):
            ratio = result.rate / baseline[kind][0].rate
            table.add_row(name, f"{result.rate:,.0f}", f"{spread:.0f} %", f"{ratio:.2f}", goal if name == kind else "")
    CONSOLE.print(table)
    CONSOLE.print(
        f"start to ready: {started:.2f} s (goal ≤ 1 s); idle memory: {memory / 1024:.0f} MiB (goal ≤ 100 MiB)"
    )


def _measure_all(measurements: dict[str, Callable[[str], Load]], url: str) -> dict[str, tuple[Load, float]]:
    return {name: measure_median(partial(measure, url)) for name, measure in measurements.items()}


def measure_lists(url: str) -> None:
    """Measure lists of up to a thousand instances with each filter, against the list without filters."""
    table = Table("filter", "results", "requests/s", "ratio to no filter", title="lists, 4 connections")
    unfiltered: float | None = None
    for query in FILTERS:
        path = f"{INSTANCES}?limit=1000{'&' * bool(query)}{query}"
        count = len(httpx.get(url + path, headers=HEADERS, timeout=30).json()["results"])
        result = load.measure_path(url, path, seconds=2, connections=4)
        unfiltered = unfiltered or result.rate
        table.add_row(query or "(none)", f"{count:,}", f"{result.rate:,.1f}", f"{result.rate / unfiltered:.2f}")
    CONSOLE.print(table)


def measure_large(folder: Path) -> None:
    """Compare latencies with a million instances and five million tags to those with a thousand instances."""
    table = Table("request", "1,000: p50", "1,000,000: p50", "ratio", "goal", title="one connection, milliseconds")
    medians: dict[tuple[str, int], float] = {}
    for count in (SMALL, LARGE):
        data = populate(folder / str(count), count)
        ids = [instance_id(number * (count // SMALL)) for number in range(SMALL)]
        with run_pileus(data, PORT) as server:
            for method in ("GET", "PATCH"):
                result = load.measure_instances(server.url, ids, method, seconds=8, connections=1)
                medians[method, count] = result.median
            for name, query in (
                ("page by tag", "?tag_key_value={%22serial%22:%22serial-3%22}"),
                ("page by a tag's value", "?tag_value=serial-3"),
                ("first page of 10", "?limit=10"),
            ):
                medians[name, count] = load.measure_path(server.url, INSTANCES + query, seconds=4, connections=1).median
    for name, goal in (
        ("GET", "ratio ≤ 1.3"),
        ("PATCH", "ratio ≤ 1.3"),
        ("page by tag", "≤ 20 ms"),
        ("page by a tag's value", "≤ 20 ms"),
        ("first page of 10", ""),
    ):
        few, many = medians[name, SMALL], medians[name, LARGE]
        table.add_row(name, f"{few:.2f}", f"{many:.2f}", f"{many / few:.2f}", goal)
    CONSOLE.print(table)


def measure_real_machines() -> None:
    """Measure creation of a real machine against plain QEMU, and frames between machines against plain sockets."""
    if not shutil.which("qemu-system-x86_64"):
        CONSOLE.print("Real machines are not measured: QEMU is missing (apt-get install qemu-system-x86 qemu-utils)")
        return
    pileus_seconds, qemu_seconds = machines.measure(ROUNDS)
    table = Table("a real machine, until SSH answers", "seconds", "ratio", "goal")
    table.add_row("plain QEMU, the same arguments", f"{qemu_seconds:.2f}", "1", "")
    table.add_row("created through the API", f"{pileus_seconds:.2f}", f"{pileus_seconds / qemu_seconds:.2f}", "≤ 1.1")
    CONSOLE.print(table)
    fabric_rate, socket_rate = fabric.measure(SECONDS)
    table = Table("frames of 1,400 bytes between two interfaces", "frames/s", "ratio")
    table.add_row("from socket to socket", f"{socket_rate:,.0f}", "1")
    table.add_row("through the fabric, with security groups", f"{fabric_rate:,.0f}", f"{fabric_rate / socket_rate:.2f}")
    CONSOLE.print(table)


if __name__ == "__main__":
    if "--machines" in sys.argv[1:]:
        measure_real_machines()
        sys.exit()
    with tempfile.TemporaryDirectory(prefix="pileus-bench-") as temporary:
        (measure_large if "--million" in sys.argv[1:] else measure_small)(Path(temporary))
    if "--million" not in sys.argv[1:]:
        measure_real_machines()
