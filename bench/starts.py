"""The time from the start of a server until it is ready, its idle memory, and what it does while nobody asks."""

import time
from collections.abc import Iterator

from bench.clouds import Clouds
from bench.results import Result, at_most, format_number
from bench.servers import free_port, run_pileus

PERCENT = 100


def measure_starts(clouds: Clouds) -> Iterator[Result]:
    """Measure starts on the smallest cloud, and the CPU time of an idle server on the largest."""
    ready, cpu, memory = [], [], []
    for _ in range(clouds.sizes.starts):
        with run_pileus(clouds.data(clouds.sizes.few), free_port()) as server:
            ready.append(server.seconds_to_ready)
            cpu.append(server.cpu_seconds())
            memory.append(server.memory_mib())
    details = f"CPU {format_number(Result('CPU', cpu).median)} s"
    yield Result("start to ready", ready, "s", at_most(0.6), details)
    yield Result("idle memory", memory, "MiB", at_most(75))
    with run_pileus(clouds.data(clouds.sizes.many), free_port()) as server:
        before = server.cpu_seconds()
        time.sleep(clouds.sizes.idle_seconds)
        share = PERCENT * (server.cpu_seconds() - before) / clouds.sizes.idle_seconds
    yield Result(f"idle with {clouds.sizes.many:,} machines", [share], "% of a CPU")
