"""The clouds that are measured: their sizes, their data directories, and what a run does with them."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.load import Load
from bench.population import instance_id, populate
from bench.servers import HEADERS, INSTANCE, Server

MICROSECONDS = 1e6
POLL = 0.01
"""Seconds between two looks at the database."""
UNFINISHED = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the clouds are and how long each load lasts."""

    rounds: int = 5
    seconds: float = 2
    instances: int = 13_000
    deletable: int = 6_000
    """Instances beyond those, which the mixture may delete."""
    few: int = 20
    reset: int = 1_000
    """Instances of a cloud that is reset."""
    many: int = 100_000
    created: int = 120
    """Instances that are created and deleted in a round, and load balancers that are created."""
    balancers: int = 1_000
    """Load balancers in a list."""
    consoles: int = 200
    console_seconds: float = 40
    starts: int = 7
    idle_seconds: float = 12
    """Two intervals of every background job that looks at machines."""


@dataclass(frozen=True, slots=True)
class Clouds:
    """Data directories with instances, each made when it is first needed."""

    folder: Path
    sizes: Sizes
    _populated: dict[int, Path] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """Return the ids of the instances that are read and changed."""
        return [instance_id(number) for number in range(self.sizes.instances)]

    def data(self, count: int) -> Path:
        """Return a data directory with a number of instances."""
        if count not in self._populated:
            self._populated[count] = populate(self.folder / str(count), count)
        return self._populated[count]

    def standard_data(self) -> Path:
        """Return the data directory that most parts use."""
        return self.data(self.sizes.instances + self.sizes.deletable)

    def copy_of(self, data: Path) -> Path:
        """Copy a data directory; its server must have stopped."""
        copy = data.with_name(f"{data.name}-copy")
        shutil.rmtree(copy, ignore_errors=True)
        return Path(shutil.copytree(data, copy))

    def deletable_ids(self, share: int) -> list[str]:
        """Return the instances that one of `rounds` rounds may delete."""
        first = self.sizes.instances
        return [instance_id(number) for number in range(first, first + self.sizes.deletable)][
            share :: self.sizes.rounds
        ]

    def save_canned_body(self, server: Server) -> Path:
        """Save the answer to a GET, which the floors answer."""
        body = self.folder / "body"
        body.write_bytes(httpx.get(f"{server.url}{INSTANCE}{self.ids[0]}", headers=HEADERS).content)
        return body


def measure_cpu(server: Server, load: Callable[[], Load], wait: Callable[[], None] | None = None) -> tuple[float, Load]:
    """Return the CPU time per request in microseconds; `wait` waits for work that the load has left."""
    before = server.cpu_seconds()
    result = load()
    if wait:
        wait()
    return MICROSECONDS * (server.cpu_seconds() - before) / result.requests, result


def wait_for_tasks(data: Path) -> None:
    """Wait until no task is unfinished, without a request."""
    with _open_database(data) as db:
        while db.execute(UNFINISHED).fetchone()[0]:
            time.sleep(POLL)


def list_created_ids(data: Path) -> list[str]:
    """Return the ids of the instances that were created by an order."""
    with _open_database(data) as db:
        return [row[0] for row in db.execute("SELECT id FROM instances WHERE name = 'more'")]


def _open_database(data: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{data / 'pileus.db'}?mode=ro", uri=True))
