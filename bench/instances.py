"""Creating and deleting instances, to the end of their tasks, in clouds of different sizes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.clouds import Clouds, list_created_ids, wait_for_tasks
from bench.load import HttpRequest, delete_instances, order_instances, send_all
from bench.population import order_body
from bench.results import Result, at_most
from bench.servers import Server, free_port, run_pileus

ACTS = ("create", "delete")
MILLISECONDS = 1e3
MOST_GROWTH = 1.2


def measure_creations(clouds: Clouds) -> Iterator[Result]:
    """Measure the CPU time per instance; each round deletes what it has created."""
    sizes = clouds.sizes
    times = {count: _measure_size(clouds, count) for count in (sizes.few, sizes.instances, sizes.many)}
    for act in ACTS:
        for count, by_act in times.items():
            yield Result(f"{act}, {count:,} instances", by_act[act], "ms CPU", at_most(1.5))
        fewest = Result(act, times[sizes.few][act]).median
        for count in (sizes.instances, sizes.many):
            growth = [time / fewest for time in times[count][act]]
            yield Result(f"{act}: {count:,} / {sizes.few:,} instances", growth, goal=at_most(MOST_GROWTH))


def _measure_size(clouds: Clouds, count: int) -> dict[str, list[float]]:
    data = clouds.data(count)
    times: dict[str, list[float]] = {act: [] for act in ACTS}
    with run_pileus(data, free_port()) as server:
        _measure_requests(server, data, order_instances(order_body(), 1))
        for _ in range(clouds.sizes.rounds):
            orders = order_instances(order_body(), clouds.sizes.created)
            times["create"].append(_measure_requests(server, data, orders))
            deletions = delete_instances(list_created_ids(data))
            times["delete"].append(_measure_requests(server, data, deletions))
    return times


def _measure_requests(server: Server, data: Path, requests: Sequence[HttpRequest]) -> float:
    before = server.cpu_seconds()
    send_all(server.url, requests)
    wait_for_tasks(data)
    return MILLISECONDS * (server.cpu_seconds() - before) / len(requests)
