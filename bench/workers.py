"""PATCH by two server processes that share a database file, against one."""

from collections.abc import Iterator
from contextlib import ExitStack

from bench.clouds import Clouds, measure_cpu
from bench.load import Load, measure_instances
from bench.results import Result, at_least, at_most, format_number
from bench.servers import free_port, run_pileus


def measure_workers(clouds: Clouds) -> Iterator[Result]:
    """Measure throughput and the 99th percentile of the latency, in turns."""
    data = clouds.standard_data()
    copy = clouds.copy_of(data)
    loads: dict[int, list[Load]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        servers = {
            1: stack.enter_context(run_pileus(data, free_port())),
            2: stack.enter_context(run_pileus(copy, free_port(), "--workers", "2")),
        }
        for _ in range(clouds.sizes.rounds):
            for workers, server in servers.items():
                used, load = measure_cpu(
                    server,
                    lambda url=server.url: measure_instances(url, clouds.ids, "PATCH", seconds=clouds.sizes.seconds),  # type: ignore[misc]  # the default binds the loop's value
                )
                cpu[workers].append(used)
                loads[workers].append(load)
    rates, latencies = (
        [two_workers / one_worker for one_worker, two_workers in _pairs(loads, name)] for name in ("rate", "p99")
    )
    yield Result("PATCH, two workers: requests/s, two / one", rates, "", at_least(1), _details(loads, "rate", "/s"))
    yield Result("PATCH, two workers: p99, two / one", latencies, "", at_most(3), _details(loads, "p99", " ms"))
    ratios = [by_one / by_two for by_one, by_two in zip(cpu[1], cpu[2], strict=True)]
    yield Result("PATCH, two workers: CPU, one / two", ratios)


def _pairs(loads: dict[int, list[Load]], name: str) -> Iterator[tuple[float, float]]:
    for pair in zip(loads[1], loads[2], strict=True):
        yield getattr(pair[0], name), getattr(pair[1], name)


def _details(loads: dict[int, list[Load]], name: str, unit: str) -> str:
    medians = [Result(name, [getattr(load, name) for load in loads[workers]]).median for workers in (2, 1)]
    return f"{format_number(medians[0])} / {format_number(medians[1])}{unit}"
