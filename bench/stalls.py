"""How long the event loop of a server makes others wait.

A client in a process of its own sends one GET after the other. A stall is the longest time that one of them took,
without the time in which the client or the main thread of the server waited for a CPU: what others run on the machine
does not count.
"""

import http.client
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.clouds import Clouds, list_created_ids, wait_for_tasks
from bench.load import delete_instances, measure_instances, measure_mixture, order_instances, send_all
from bench.population import instance_id, order_body
from bench.processes import main_thread_of, read_seconds_without_cpu
from bench.results import Result, at_most
from bench.servers import HEADERS, INSTANCE, Server, free_port, run_pileus

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PAUSE = 0.001
MILLISECONDS = 1e3


def measure_stalls(clouds: Clouds) -> Iterator[Result]:
    """Measure the longest stall under each load, with as many machines as the largest cloud has."""
    data, sizes = clouds.data(clouds.sizes.many), clouds.sizes
    ids = [instance_id(number) for number in range(min(sizes.instances, sizes.many // 2))]
    deletable = [instance_id(number) for number in range(sizes.many // 2, sizes.many)]

    def create_and_delete() -> None:
        send_all(server.url, order_instances(order_body(), sizes.created))
        wait_for_tasks(data)
        send_all(server.url, delete_instances(list_created_ids(data)))
        wait_for_tasks(data)

    def mix() -> None:
        measure_mixture(server.url, ids, deletable, order_body(), seconds=2 * sizes.seconds)
        wait_for_tasks(data)

    loads: dict[str, Callable[[], object]] = {
        "none": lambda: time.sleep(sizes.idle_seconds),
        "GET": lambda: measure_instances(server.url, ids, "GET", seconds=2 * sizes.seconds),
        "PATCH": lambda: measure_instances(server.url, ids, "PATCH", seconds=2 * sizes.seconds),
        "create and delete": create_and_delete,
        "mixture": mix,
    }
    with run_pileus(data, free_port()) as server:
        for name, load in loads.items():
            with _observe(server, ids[0]) as observer:
                load()
            net, gross = observer.recv()
            details = f"{MILLISECONDS * gross:,.0f} ms with the time without a CPU"
            yield Result(
                f"stall, {sizes.many:,} machines, load: {name}", [MILLISECONDS * net], "ms", at_most(50), details
            )


@contextmanager
def _observe(server: Server, read_id: str) -> Iterator["Connection[None, tuple[float, float]]"]:
    """Observe a server; the connection yields the longest stall without and with the time without a CPU afterwards."""
    own_end, client_end = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    client = context.Process(target=_send_until_told, args=(client_end, server, read_id), daemon=True)
    client.start()
    try:
        yield own_end
    finally:
        own_end.send(None)
        client.join()


def _send_until_told(end: "Connection[tuple[float, float], None]", server: Server, read_id: str) -> None:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    threads = (main_thread_of(server.process), Path("/proc/thread-self"))
    longest_net = longest_gross = 0.0
    while not end.poll():
        without_cpu, started_at = sum(map(read_seconds_without_cpu, threads)), time.perf_counter()
        connection.request("GET", INSTANCE + read_id, headers=HEADERS)
        connection.getresponse().read()
        gross = time.perf_counter() - started_at
        net = gross - (sum(map(read_seconds_without_cpu, threads)) - without_cpu)
        longest_net, longest_gross = max(longest_net, net), max(longest_gross, gross)
        time.sleep(PAUSE)
    end.send((longest_net, longest_gross))
