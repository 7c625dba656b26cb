"""Lists of a thousand instances: computed for the first time, repeated, and with each filter."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
from rich.table import Table

from bench.clouds import Clouds
from bench.load import HttpRequest, measure_path, send
from bench.population import instance_id
from bench.results import Result, at_most
from bench.servers import HEADERS, LIST, Server, free_port, run_pileus

PAGE = 1000
WARM_REQUESTS = 10
MILLISECONDS = 1e3
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
    f"uuid={instance_id(7)}",
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


def measure_lists(clouds: Clouds) -> Iterator[Result]:
    """Measure pages that a new server answers for the first time, and the first page again and again."""
    with run_pileus(clouds.standard_data(), free_port()) as server:
        starts = range(0, clouds.sizes.instances, PAGE)
        cold = [_measure_page(server, start) for start in starts]
        warm = [_measure_page(server, 0) for _ in range(WARM_REQUESTS)]
    yield Result("list of 1,000, cold", cold, "ms CPU", at_most(20), "each page of a server that has just started")
    yield Result("list of 1,000, warm", warm, "ms CPU", at_most(3), "the first page again")


def _measure_page(server: Server, start: int) -> float:
    address = urlsplit(server.url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        before = server.cpu_seconds()
        send(connection, HttpRequest("GET", f"{LIST}?limit={PAGE}&offset={start}"))
        return MILLISECONDS * (server.cpu_seconds() - before)


def make_filter_table(clouds: Clouds) -> Table:
    """Measure lists of up to a thousand of a thousand instances with each filter, against the list without filters."""
    table = Table("filter", "results", "requests/s", "ratio to no filter", title="lists, 4 connections")
    unfiltered: float | None = None
    with run_pileus(clouds.data(PAGE), free_port()) as server:
        for query in FILTERS:
            path = f"{LIST}?limit={PAGE}{'&' * bool(query)}{query}"
            count = len(httpx.get(server.url + path, headers=HEADERS, timeout=30).json()["results"])
            result = measure_path(server.url, path, seconds=clouds.sizes.seconds, connections=4)
            unfiltered = unfiltered or result.rate
            ratio = result.rate / unfiltered
            table.add_row(query or "(none)", f"{count:,}", f"{result.rate:,.1f}", f"{ratio:.2f}")
    return table
