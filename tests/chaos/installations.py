"""A data directory and a database that outlive the servers on them."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.chaos.inconsistencies import DRIVER_TABLES, QUOTA_COUNTS, STATEMENTS
from tests.servers import KEY, Server, spawn_server, wait_until_ready

PLACE = "1/1"
UNFINISHED_TASKS = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"
PATIENCE = 60
"""Seconds in which all tasks end after a restart."""

Rows = Sequence[tuple[Any, ...]]


def client_of(server: Server) -> httpx.AsyncClient:
    """Return a client with the key of the first tenant, who is an operator."""
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"APIKey {KEY}"}
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, limits=limits)


@dataclass(slots=True)
class Installation:
    """A data directory and a database, and the server that runs on them; an empty URL means SQLite."""

    data: Path
    url: str
    workers: int
    server: Server | None = None

    def spawn(self) -> Server:
        """Begin to start a server. Its lease is short, because on PostgreSQL the next one waits until it expires."""
        database = ("--database", self.url) if self.url else ()
        options = ("--lease-seconds", "1", "--log-level", "warning", "--workers", str(self.workers), *database)
        self.server = spawn_server(self.data, *options)
        return self.server

    def start(self) -> Server:
        """Start a server and wait until it is ready."""
        server = self.spawn()
        wait_until_ready(server)
        return server

    def kill(self) -> None:
        """Kill the server, if one runs."""
        if self.server:
            self.server.kill()
            self.server = None

    def rows(self, sql: str) -> Rows:
        """Query the database directly."""
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.data / "pileus.db")) as database:
            return database.execute(sql).fetchall()

    async def wait_for_tasks(self, unfinished: int = 0) -> None:
        """Wait until at most this number of tasks is unfinished. Raises TimeoutError if that takes too long."""
        async with asyncio.timeout(PATIENCE):
            while self.rows(UNFINISHED_TASKS)[0][0] > unfinished:  # noqa: ASYNC110  # the database does not notify
                await asyncio.sleep(0.02)

    def find_inconsistencies(self) -> list[tuple[Any, ...]]:
        """Return records that are half done or refer to missing ones, and differences between driver and records."""
        return [(name, *row) for name, sql in STATEMENTS.items() for row in self.rows(sql)] + self._compare_driver()

    def _compare_driver(self) -> list[tuple[Any, ...]]:
        """Return what only the simulated driver has, and what only the records have."""
        differences: list[tuple[Any, ...]] = []
        for table, driver_table in DRIVER_TABLES.items():
            recorded = set(map(tuple, self.rows(f"SELECT id FROM {table} WHERE project_id IS NOT NULL")))
            existing = set(map(tuple, self.rows(f"SELECT id FROM {driver_table}")))
            differences += [(f"{table} of the driver", *row) for row in existing ^ recorded]
        return differences

    async def compare_usage(self, client: httpx.AsyncClient) -> list[tuple[str, int, int]]:
        """Return the quotas whose usage differs from the number of records: name, usage, number."""
        (usage,) = (await client.get("/cloud/v2/client_quotas")).json()["regional_quotas"]
        counts = {name: int(self.rows(sql)[0][0]) for name, sql in QUOTA_COUNTS.items()}
        return [(name, usage[name], number) for name, number in counts.items() if usage[name] != number]
