"""`python -m bench` measures a small cloud; `--million` one of a million instances, `--machines` real machines."""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench import fabric, load, machines
from bench.load import Load
from bench.population import fill, instance_id, order
from bench.servers import KEY, floor, free_port, pileus
from pileus.app import load_catalogue
from pileus.settings import Settings

PORT = free_port()
ROUNDS, SECONDS = 3, 4.0
SMALL, LARGE = 1_000, 1_000_000
DOOMED = 12_000
"""Instances that are there to be deleted."""
MIXTURE = "70 % GET, 20 % PATCH, 10 % create and delete"
GOALS = {"GET": "≥ 0.6", "PATCH": "≥ 0.4", MIXTURE: ""}
CONSOLE = Console(width=120)
HEADERS = {"Authorization": f"APIKey {KEY}"}
ONE = "/cloud/v1/instances/1/1/"
ALL = "/cloud/v1/instances/1/1"
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
"""All that the list of instances can be asked for."""


def populated(folder: Path, count: int) -> Path:
    """A data directory with `count` instances."""
    with pileus(folder, PORT):
        pass
    fill(folder, load_catalogue(Settings()), count)
    return folder


def median_of(measure: Callable[[], Load]) -> tuple[Load, float]:
    """The median of some rounds, and how far the rounds lie apart, in per cent."""
    found = sorted((measure() for _ in range(ROUNDS)), key=lambda each: each.rate)
    spread = 100 * (found[-1].rate - found[0].rate) / found[-1].rate
    return Load(statistics.median(e.rate for e in found), statistics.median(e.median for e in found)), spread


def small(folder: Path) -> None:
    """Floor, GET, PATCH, a mixture, lists with every filter, start-up and memory."""
    data, ids = populated(folder / "data", SMALL + DOOMED), [instance_id(number) for number in range(SMALL)]
    leaving = [instance_id(number) for number in range(SMALL, SMALL + DOOMED)]
    mixtures = [leaving[at :: 2 * ROUNDS] for at in range(2 * ROUNDS)]
    works: dict[str, Callable[[str], Load]] = {
        "GET": lambda url: load.instances(url, ids, "GET", seconds=SECONDS),
        "PATCH": lambda url: load.instances(url, ids, "PATCH", seconds=SECONDS),
        MIXTURE: lambda url: load.mixed(url, ids, mixtures.pop(), order(), seconds=SECONDS),
    }
    with pileus(data, PORT) as server:
        body = folder / "body"
        body.write_bytes(httpx.get(server.url + ONE + ids[0], headers=HEADERS).content)
    with floor(body, PORT) as server:
        floors = {what: median_of(lambda w=work: w(server.url)) for what, work in works.items()}  # type: ignore[misc]
    with pileus(data, PORT) as server:
        memory, started = server.memory(), server.seconds_to_ready
        found = {what: median_of(lambda w=work: w(server.url)) for what, work in works.items()}  # type: ignore[misc]
    with pileus(populated(folder / "few", SMALL), PORT) as server:
        lists(server.url)
    table = Table("what", "requests/s", "spread", "to the floor", "goal", title="1,000 instances, 16 connections")
    for what, goal in GOALS.items():
        for name, (each, spread) in ((f"floor, {what}", floors[what]), (what, found[what])):
            ratio = each.rate / floors[what][0].rate
            table.add_row(name, f"{each.rate:,.0f}", f"{spread:.0f} %", f"{ratio:.2f}", goal if name == what else "")
    CONSOLE.print(table)
    CONSOLE.print(
        f"start to ready: {started:.2f} s (goal ≤ 1 s); idle memory: {memory / 1024:.0f} MiB (goal ≤ 100 MiB)"
    )


def lists(url: str) -> None:
    """Lists of up to a thousand instances, with each filter, against the list without any."""
    table = Table("filter", "results", "requests/s", "to the list of 1,000", title="lists, 4 connections")
    plain: float | None = None
    for query in FILTERS:
        where = f"{ALL}?limit=1000{'&' * bool(query)}{query}"
        count = len(httpx.get(url + where, headers=HEADERS, timeout=30).json()["results"])
        found = load.path(url, where, seconds=2, connections=4)
        plain = plain or found.rate
        table.add_row(query or "(none)", f"{count:,}", f"{found.rate:,.1f}", f"{found.rate / plain:.2f}")
    CONSOLE.print(table)


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
                ("page by a tag's value", "?tag_value=serial-3"),
                ("first page of 10", "?limit=10"),
            ):
                found[what, count] = load.path(server.url, ALL + query, seconds=4, connections=1).median
    for what, goal in (
        ("GET", "ratio ≤ 1.3"),
        ("PATCH", "ratio ≤ 1.3"),
        ("page by tag", "≤ 20 ms"),
        ("page by a tag's value", "≤ 20 ms"),
        ("first page of 10", ""),
    ):
        few, many = found[what, SMALL], found[what, LARGE]
        table.add_row(what, f"{few:.2f}", f"{many:.2f}", f"{many / few:.2f}", goal)
    CONSOLE.print(table)


def real() -> None:
    """From the order of a real machine until it is reached, against QEMU by hand; and frames between machines."""
    if not shutil.which("qemu-system-x86_64"):
        CONSOLE.print("Real machines are not measured: QEMU is missing (apt-get install qemu-system-x86 qemu-utils)")
        return
    ours, bare = machines.measured(ROUNDS)
    table = Table("a real machine, until one can log in", "seconds", "to QEMU by hand", "goal")
    table.add_row("QEMU by hand, the same arguments", f"{bare:.2f}", "1", "")
    table.add_row("ordered through the API", f"{ours:.2f}", f"{ours / bare:.2f}", "≤ 1.1")
    CONSOLE.print(table)
    through, sockets = fabric.measured(SECONDS)
    table = Table("frames of 1,400 bytes from one machine's interface to another's", "frames/s", "to sockets alone")
    table.add_row("from socket to socket", f"{sockets:,.0f}", "1")
    table.add_row("through the fabric, with security groups", f"{through:,.0f}", f"{through / sockets:.2f}")
    CONSOLE.print(table)


if __name__ == "__main__":
    if "--machines" in sys.argv[1:]:
        real()
        sys.exit()
    with tempfile.TemporaryDirectory(prefix="pileus-bench-") as temporary:
        (large if "--million" in sys.argv[1:] else small)(Path(temporary))
    if "--million" not in sys.argv[1:]:
        real()
