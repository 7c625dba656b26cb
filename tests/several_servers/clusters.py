"""Several servers over one PostgreSQL database, each with a data directory of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.servers import KEY, Server, spawn_server, wait_until_ready

LEASE_SECONDS = "1"


@dataclass(slots=True)
class Cluster:
    """The running servers by number."""

    folder: Path
    url: str
    servers: dict[int, Server] = field(default_factory=dict)

    def spawn(self, number: int, *options: str, **variables: str) -> Server:
        """Begin to start a server."""
        shared = ("--database", self.url, "--secrets-key", str(self.folder / "keys"), "--lease-seconds", LEASE_SECONDS)
        data = self.folder / f"server-{number}"
        self.servers[number] = spawn_server(data, *shared, *options, variables=variables)
        return self.servers[number]

    def start(self, *numbers: int) -> None:
        """Start servers at the same time, and wait until all are ready."""
        for server in [self.spawn(number) for number in numbers]:
            wait_until_ready(server)

    def kill(self, number: int) -> None:
        """Kill a server, as a loss of its host would."""
        self.servers.pop(number).kill()

    def stop(self, number: int) -> int:
        """Stop a server and return its exit code."""
        return self.servers.pop(number).stop()

    def kill_all(self) -> None:
        """Kill the servers that still run."""
        for number in list(self.servers):
            self.kill(number)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def run_cluster(folder: Path, url: str) -> Iterator[Cluster]:
    """Yield a cluster without servers; those that run at the end are killed."""
    cluster = Cluster(folder, url)
    try:
        yield cluster
    finally:
        cluster.kill_all()


def client_of(server: Server) -> httpx.Client:
    """Return a client with the operator's key."""
    return httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=30)
