"""Two cells over two databases: what a change costs in its own cell, in the cell of the tenants, and by way of another.

A cloud of one database runs beside them. All instances are created through the API.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import httpx

from bench.clouds import MICROSECONDS, Clouds, wait_for_tasks
from bench.load import HttpRequest, Load, measure_instances, send_all
from bench.population import order_body
from bench.results import Result, at_most, format_number
from bench.servers import HEADERS, Server, free_port, run_pileus

REGION = """
[[regions]]
id = 2
cell = 1
display_name = "Second cell"
slug = "second-cell"
keystone_name = "second-cell"
keystone_id = 2
country = "LU"
created_at = 2024-01-01T00:00:00Z
vlan_physical_network = "vlan"
available_volume_types = ["standard"]
"""
QUOTAS = ("external_ip_count", "vm_count", "cpu_count", "ram", "volume_count", "volume_size")
FIRST, SECOND = "1/1", "1/2"


@dataclass(frozen=True, slots=True)
class CellServers:
    """The server of a cloud with one database, and those of two cells; with the instances of each region."""

    alone: Server
    tenants: Server
    second: Server
    ids: dict[str, list[str]]
    """Of `alone`, of the first region in the cell of the tenants, and of the second one, by name."""


@contextmanager
def _run_cells(clouds: Clouds) -> Iterator[CellServers]:
    """Run the servers, each with some instances."""
    folder, ports = clouds.folder / "cells", [free_port(), free_port()]
    folder.mkdir()
    catalogue = folder / "catalogue.toml"
    catalogue.write_text((resources.files("pileus") / "catalogue.toml").read_text("utf-8") + REGION)
    cells = ",".join(f"{number}=http://127.0.0.1:{port}" for number, port in enumerate(ports))
    shared = ("--catalogue", str(catalogue), "--cells", cells, "--secrets-key", str(folder / "keys"))
    own = ("--cell", "1", "--tenants-database", str(folder / "0"))
    with ExitStack() as stack:
        alone = stack.enter_context(run_pileus(folder / "alone", free_port()))
        tenants = stack.enter_context(run_pileus(folder / "0", ports[0], *shared))
        second = stack.enter_context(run_pileus(folder / "1", ports[1], *shared, *own))
        for server, region_id in ((alone, 1), (tenants, 1), (tenants, 2)):
            limits = {f"{name}_limit": 10**9 for name in QUOTAS}
            httpx.put(f"{server.url}/_pileus/quotas/{region_id}", headers=HEADERS, json=limits).raise_for_status()
        ids = {
            "alone": _create(alone, folder / "alone", FIRST, clouds.sizes.created),
            "first": _create(tenants, folder / "0", FIRST, clouds.sizes.created),
            "second": _create(second, folder / "1", SECOND, clouds.sizes.created),
        }
        yield CellServers(alone, tenants, second, ids)


def _create(server: Server, data: Path, place: str, count: int) -> list[str]:
    """Create instances and return their ids."""
    order = order_body(region_id=int(place[-1]))
    send_all(server.url, [HttpRequest("POST", f"/cloud/v2/instances/{place}", order)] * count)
    wait_for_tasks(data)
    answer = httpx.get(f"{server.url}/cloud/v1/instances/{place}?limit=1000", headers=HEADERS).raise_for_status()
    ids = [str(row["id"]) for row in answer.json()["results"]]
    if len(ids) != count:
        raise SystemExit(f"There are only {len(ids)} instances in {place}")
    return ids


def measure_cells(clouds: Clouds) -> Iterator[Result]:
    """Measure PATCH of one tag: in a cell of its own, by way of another cell, and in both cells at once."""
    times: dict[str, list[float]] = {kind: [] for kind in ("alone", "second", "tenants", "by way of another")}
    rates: dict[str, list[float]] = {"one": [], "both": []}
    with _run_cells(clouds) as servers:
        for _ in range(clouds.sizes.rounds):
            _measure_round(servers, partial(_patch, clouds.sizes.seconds, servers.ids), times, rates)
    median = {kind: format_number(Result(kind, values).median) for kind, values in (times | rates).items()}
    yield Result(
        "PATCH, in a cell / in a cloud of one database: CPU",
        _ratios(times["second"], times["alone"]),
        goal=at_most(1.05),
        details=f"{median['second']} / {median['alone']} µs",
    )
    yield Result("PATCH in another cell: CPU in the cell of the tenants", times["tenants"], "ms/s", at_most(10))
    yield Result(
        "PATCH, by way of another cell / direct: CPU of both servers",
        _ratios(times["by way of another"], times["second"]),
        details=f"{median['by way of another']} / {median['second']} µs",
    )
    yield Result(
        "PATCH, both cells at once / one, on the same processors: requests/s",
        _ratios(rates["both"], rates["one"]),
        details=f"{median['both']} / {median['one']}/s",
    )


def _measure_round(
    servers: CellServers,
    patch: Callable[[Server, str, str], Load],
    times: dict[str, list[float]],
    rates: dict[str, list[float]],
) -> None:
    cells = [servers.second, servers.tenants]
    (used,), _ = _measure([servers.alone], lambda: patch(servers.alone, "alone", FIRST))
    times["alone"].append(used)
    (used, used_by_tenants), load = _measure(cells, lambda: patch(servers.second, "second", SECOND))
    times["second"].append(used)
    # What it works does not depend on the load, so it is counted by the second.
    times["tenants"].append(used_by_tenants * load.rate / 1e3)
    rates["one"].append(load.rate)
    used_by_both, _ = _measure(cells, lambda: patch(servers.tenants, "second", SECOND))
    times["by way of another"].append(sum(used_by_both))
    with ThreadPoolExecutor(2) as pool:
        loads = [
            pool.submit(patch, servers.tenants, "first", FIRST),
            pool.submit(patch, servers.second, "second", SECOND),
        ]
        rates["both"].append(sum(running.result().rate for running in loads))


def _ratios(values: list[float], others: list[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def _patch(seconds: float, ids: dict[str, list[str]], server: Server, kind: str, place: str) -> Load:
    return measure_instances(server.url, ids[kind], "PATCH", seconds=seconds, place=place)


def _measure(servers: list[Server], load: Callable[[], Load]) -> tuple[list[float], Load]:
    """Return the CPU time of each server per request in microseconds."""
    before = [server.cpu_seconds() for server in servers]
    result = load()
    after = [server.cpu_seconds() for server in servers]
    return [MICROSECONDS * (end - start) / result.requests for start, end in zip(before, after, strict=True)], result
