"""Creating load balancers with their parts, to the end of their tasks, and listing them."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx

from bench.balanced_traffic import measure_balanced_traffic
from bench.clouds import Clouds, wait_for_tasks
from bench.load import HttpRequest, order_instances, send, send_all
from bench.population import order_body
from bench.results import Result, Skipped, at_most
from bench.servers import HEADERS, Server, free_port, run_pileus

LOAD_BALANCERS = "/cloud/v1/loadbalancers/1/1"
MILLISECONDS = 1e3
MONITOR = {"type": "HTTP", "delay": 10, "timeout": 5, "max_retries": 2}
MEMBERS = [{"address": f"203.0.113.{number}", "protocol_port": 80} for number in (10, 11)]
POOL = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": MEMBERS, "healthmonitor": MONITOR}
LISTENER = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
ALONE = json.dumps({"name": "alone"})
BALANCED = json.dumps({"name": "web", "listeners": [{**LISTENER, "pools": [POOL]}]})
QUOTAS = ("loadbalancer_count", "external_ip_count", "vm_count", "cpu_count", "ram", "volume_count", "volume_size")
MOST_PER_INSTANCE = 2


def measure_load_balancers(clouds: Clouds) -> Iterator[Result | Skipped]:
    """Measure load balancers of a simulated cloud, and the traffic through those of the QEMU driver."""
    yield from _measure_simulated(clouds)
    yield from measure_balanced_traffic(clouds)


def _measure_simulated(clouds: Clouds) -> Iterator[Result]:
    """Measure in one cloud what a load balancer costs, alone and with parts, against an instance; then the list."""
    data, sizes = clouds.folder / "load-balancers", clouds.sizes
    times: dict[str, list[float]] = {"instance": [], "alone": [], "parts": []}
    with run_pileus(data, free_port()) as server:
        limits = {f"{name}_limit": 10**9 for name in QUOTAS}
        httpx.put(f"{server.url}/_pileus/quotas/1", headers=HEADERS, json=limits).raise_for_status()
        orders = {
            "instance": order_instances(order_body(), sizes.created),
            "alone": [HttpRequest("POST", LOAD_BALANCERS, ALONE)] * sizes.created,
            "parts": [HttpRequest("POST", LOAD_BALANCERS, BALANCED)] * sizes.created,
        }
        for _ in range(sizes.rounds):
            for kind, requests in orders.items():
                before = server.cpu_seconds()
                send_all(server.url, requests)
                wait_for_tasks(data)
                times[kind].append(MILLISECONDS * (server.cpu_seconds() - before) / len(requests))
        send_all(server.url, [HttpRequest("POST", LOAD_BALANCERS, BALANCED)] * sizes.balancers)
        wait_for_tasks(data)
        count = httpx.get(f"{server.url}{LOAD_BALANCERS}?limit=1", headers=HEADERS).json()["count"]
        if count != 2 * sizes.rounds * sizes.created + sizes.balancers:
            raise SystemExit(f"There are only {count} load balancers")
        lists = [_measure_list(server, sizes.balancers) for _ in range(sizes.rounds)]
    yield Result("create a load balancer", times["alone"], "ms CPU")
    yield Result("create a load balancer with parts", times["parts"], "ms CPU", details="a listener, a pool of two")
    for kind, name in (("alone", "a load balancer"), ("parts", "a load balancer with parts")):
        ratios = [balancer / instance for balancer, instance in zip(times[kind], times["instance"], strict=True)]
        yield Result(f"create: {name} / an instance", ratios, goal=at_most(MOST_PER_INSTANCE))
    yield Result(f"list of {sizes.balancers:,} load balancers", lists, "ms CPU")


def _measure_list(server: Server, count: int) -> float:
    address = urlsplit(server.url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        before = server.cpu_seconds()
        send(connection, HttpRequest("GET", f"{LOAD_BALANCERS}?limit={count}"))
        return MILLISECONDS * (server.cpu_seconds() - before)
