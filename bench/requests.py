"""GET, PATCH and the mixture, against the floors: CPU time of the server per request, side by side."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.clouds import Clouds, measure_cpu, wait_for_tasks
from bench.load import Load, measure_instances, measure_mixture, read_each_instance
from bench.population import order_body
from bench.results import Goal, Result, at_least, format_number
from bench.servers import Server, free_port, run_floor, run_pileus

FLOOR, BARE, LOGGING, PILEUS = "floor", "bare", "with the request log", "Pileus"


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Pileus and its floors, running at the same time on the same two cores, measured in turns."""

    clouds: Clouds
    data: Path
    servers: dict[str, Server]

    def measure(self, name: str, load: Callable[[str, int], Load], goals: dict[str, Goal | None]) -> Iterator[Result]:
        """Yield the CPU time of each other server divided by that of Pileus; a load gets a URL and its round."""
        cpu: dict[str, list[float]] = {kind: [] for kind in (*goals, PILEUS)}
        rates: list[float] = []
        for turn in range(self.clouds.sizes.rounds):
            for kind in list(cpu)[:: -1 if turn % 2 else 1]:
                wait = partial(wait_for_tasks, self.data) if kind == PILEUS else None
                used, result = measure_cpu(self.servers[kind], partial(load, self.servers[kind].url, turn), wait)
                cpu[kind].append(used)
                if kind == PILEUS:
                    rates.append(result.rate)
        for kind, goal in goals.items():
            ratios = [lower / used for lower, used in zip(cpu[kind], cpu[PILEUS], strict=True)]
            times = [Result(side, cpu[side]).median for side in (kind, PILEUS)]
            rate = format_number(Result("rate", rates).median)
            details = f"CPU {format_number(times[0])} / {format_number(times[1])} µs; {rate} requests/s"
            yield Result(f"{name}: {kind} / Pileus", ratios, goal=goal, details=details)


@contextmanager
def _run_side_by_side(clouds: Clouds, *, with_logging: bool = False) -> Iterator[SideBySide]:
    data = clouds.standard_data()
    copy = clouds.copy_of(data) if with_logging else None
    with ExitStack() as stack:
        pileus = stack.enter_context(run_pileus(data, free_port()))
        body = clouds.save_canned_body(pileus)
        floor = stack.enter_context(run_floor(body, free_port()))
        bare = stack.enter_context(run_floor(body, free_port(), bare=True))
        servers = {FLOOR: floor, BARE: bare, PILEUS: pileus}
        if copy:
            servers[LOGGING] = stack.enter_context(run_pileus(copy, free_port(), "--request-log", "on"))
        for kind in servers.keys() - {FLOOR, BARE}:
            read_each_instance(servers[kind].url, clouds.ids)
        yield SideBySide(clouds, data, servers)


def measure_get(clouds: Clouds) -> Iterator[Result]:
    """Measure GET of one instance, also with the request log."""
    with _run_side_by_side(clouds, with_logging=True) as servers:
        load = partial(_load_instances, clouds, "GET", 16)
        yield from servers.measure("GET", load, {FLOOR: at_least(1), BARE: at_least(0.5), LOGGING: None})


def measure_patch(clouds: Clouds) -> Iterator[Result]:
    """Measure PATCH of one tag, which is durable before it is answered."""
    with _run_side_by_side(clouds) as servers:
        for connections, goal in ((16, at_least(0.6)), (64, None)):
            load = partial(_load_instances, clouds, "PATCH", connections)
            yield from servers.measure(f"PATCH, {connections} connections", load, {FLOOR: goal})


def measure_mixed(clouds: Clouds) -> Iterator[Result]:
    """Measure 70 % GET, 20 % PATCH, 10 % create and delete, with their tasks."""
    with _run_side_by_side(clouds) as servers:
        yield from servers.measure("mixture 70/20/10", partial(_load_mixture, clouds), {FLOOR: at_least(0.25)})


def _load_instances(clouds: Clouds, method: str, connections: int, url: str, _turn: int) -> Load:
    return measure_instances(url, clouds.ids, method, seconds=clouds.sizes.seconds, connections=connections)


def _load_mixture(clouds: Clouds, url: str, turn: int) -> Load:
    deletable = clouds.deletable_ids(turn)
    return measure_mixture(url, clouds.ids, deletable, order_body(), seconds=clouds.sizes.seconds)
