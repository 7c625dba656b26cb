"""Run the benchmarks: `python -m bench`, with `--parts` for some of them, or `--million` for a million instances."""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import fabric, machines
from bench.cells import measure_cells
from bench.clouds import Clouds, Sizes
from bench.consoles import measure_consoles
from bench.instances import measure_creations
from bench.large import measure_large
from bench.lists import make_filter_table, measure_lists
from bench.load_balancers import measure_load_balancers
from bench.plugin_runs import measure_plugin
from bench.postgres import measure_postgres
from bench.requests import measure_get, measure_mixed, measure_patch
from bench.resets import measure_resets
from bench.results import Result, Skipped, make_table
from bench.stalls import measure_stalls
from bench.starts import measure_starts
from bench.workers import measure_workers

SMALL, LARGE = 1_000, 1_000_000
SECONDS = 4.0
CONSOLE = Console(width=160)
Part = Callable[[Clouds], Iterable[Result | Skipped]]
PARTS: dict[str, Part] = {
    "get": measure_get,
    "patch": measure_patch,
    "mixture": measure_mixed,
    "creations": measure_creations,
    "lists": measure_lists,
    "load-balancers": measure_load_balancers,
    "stalls": measure_stalls,
    "postgres": measure_postgres,
    "starts": measure_starts,
    "plugin": measure_plugin,
    "resets": measure_resets,
    "workers": measure_workers,
    "console": measure_consoles,
    "cells": measure_cells,
}
"""The parts of the table of results, in its order."""
TABLES: dict[str, Callable[[Clouds], None]] = {}
"""Parts with tables of their own."""


def measure(clouds: Clouds, parts: Sequence[str]) -> list[Result | Skipped]:
    """Measure some parts of the table of results."""
    results: list[Result | Skipped] = []
    for name in parts:
        if name in PARTS:
            CONSOLE.print(f"measuring: {name}")
            for result in PARTS[name](clouds):
                results.append(result)
                CONSOLE.print(f"  {result}")
    return results


def print_filters(clouds: Clouds) -> None:
    """Print the table of lists with filters."""
    CONSOLE.print(make_filter_table(clouds))


def print_machines(_clouds: Clouds) -> None:
    """Measure creation of a real machine against plain QEMU, and frames between machines against plain sockets."""
    if not shutil.which("qemu-system-x86_64"):
        CONSOLE.print("Real machines are not measured: QEMU is missing (apt-get install qemu-system-x86 qemu-utils)")
        return
    pileus_seconds, qemu_seconds = machines.measure(3)
    table = Table("a real machine, until SSH answers", "seconds", "ratio", "goal")
    table.add_row("plain QEMU, the same arguments", f"{qemu_seconds:.2f}", "1", "")
    table.add_row("created through the API", f"{pileus_seconds:.2f}", f"{pileus_seconds / qemu_seconds:.2f}", "≤ 1.1")
    CONSOLE.print(table)
    fabric_rate, socket_rate = fabric.measure(SECONDS)
    table = Table("frames of 1,400 bytes between two interfaces", "frames/s", "ratio")
    table.add_row("from socket to socket", f"{socket_rate:,.0f}", "1")
    table.add_row("through the fabric, with security groups", f"{fabric_rate:,.0f}", f"{fabric_rate / socket_rate:.2f}")
    CONSOLE.print(table)


TABLES |= {"filters": print_filters, "machines": print_machines}


def _choose_parts(text: str) -> list[str]:
    """Return the names in a list with commas. Raises ArgumentTypeError."""
    parts = text.split(",")
    if unknown := set(parts) - PARTS.keys() - TABLES.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return parts


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print what the arguments name."""
    everything = [*PARTS, *TABLES]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--parts", type=_choose_parts, default=everything, help=f"some of: {','.join(everything)}")
    parser.add_argument("--rounds", type=int, default=Sizes().rounds, help="rounds of each measurement")
    parser.add_argument("--million", action="store_true", help="measure a million instances instead")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pileus-bench-") as temporary:
        clouds = Clouds(Path(temporary), Sizes(rounds=options.rounds))
        if options.million:
            CONSOLE.print(make_table(measure_large(clouds, SMALL, LARGE, SECONDS)))
            return
        if results := measure(clouds, options.parts):
            CONSOLE.print(make_table(results))
        for name in options.parts:
            if name in TABLES:
                TABLES[name](clouds)


if __name__ == "__main__":
    main()
