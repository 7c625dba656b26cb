"""The server before the newest migration and this one share a database under load: no error, no lost write."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from pileus.store.schema import load_migrations
from pileus.store.schema_compatibility import FIRST
from tests.databases import database_url
from tests.orders import an_order
from tests.servers import KEY, Server, wait_until_ready
from tests.several_servers.clusters import Cluster, run_cluster
from tests.several_servers.previous_versions import extract_previous_version

WRITERS = 4
ENOUGH = 60
"""Acknowledged changes of each phase."""


@dataclass(slots=True)
class Load:
    """Writers that send changes to all `servers` in turn; each changes an instance of its own."""

    servers: list[Server] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The last number that each instance has got, by its path."""
    changes: int = 0
    used: Counter[str] = field(default_factory=Counter)
    """The requests that each server has not answered yet."""

    async def write(self, api: httpx.AsyncClient, turn: int) -> None:
        """Create an instance, number it again and again, and now and then create and delete another one."""
        path = await self._create(api, turn)
        for number in count(1):
            answer = await self._send(api, number + turn, "PATCH", path, json={"tags": {"number": str(number)}})
            assert answer.status_code == 200, answer.text
            self.acknowledged[path] = number
            self.changes += 1
            if number % 20 == 0:
                other = await self._create(api, number + turn)
                await self._finish(api, await self._send(api, number + turn + 1, "DELETE", other))

    async def _create(self, api: httpx.AsyncClient, turn: int) -> str:
        answer = await self._send(api, turn, "POST", "/cloud/v2/instances/1/1", json=an_order())
        return f"/cloud/v1/instances/1/1/{await self._finish(api, answer)}"

    async def _finish(self, api: httpx.AsyncClient, answer: httpx.Response) -> str:
        """Wait for the task of an answer; return the id of the instance that it has created, or an empty text."""
        assert answer.status_code == 200, answer.text
        for turn in count():
            task = (await self._send(api, turn, "GET", f"/cloud/v1/tasks/{answer.json()['tasks'][0]}")).json()
            if task["state"] in ("FINISHED", "ERROR"):
                assert task["state"] == "FINISHED", task["error"]
                break
        return str(((task["created_resources"] or {}).get("instances") or [""])[0])

    async def _send(self, api: httpx.AsyncClient, turn: int, method: str, path: str, **body: object) -> httpx.Response:
        server = self.servers[turn % len(self.servers)]
        self.used[server.url] += 1
        try:
            answer = await api.request(method, server.url + path, **body)  # type: ignore[arg-type]  # a JSON body
        finally:
            self.used[server.url] -= 1
        assert answer.status_code < 500, (server.url, answer.text)
        return answer

    async def wait_until_unused(self, server: Server) -> None:
        """Wait until a server has answered everything, as a load balancer does that drains it."""
        async with asyncio.timeout(60):
            while self.used[server.url]:  # noqa: ASYNC110  # a counter does not tell
                await asyncio.sleep(0.01)

    async def reach(self, writing: list["asyncio.Task[None]"]) -> None:
        """Wait until some more changes are acknowledged. Raises what a writer has raised."""
        goal = self.changes + ENOUGH
        async with asyncio.timeout(120):
            while self.changes < goal or len(self.acknowledged) < WRITERS:
                for ended in [writer for writer in writing if writer.done()]:
                    ended.result()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def under_load(load: Load) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run the load; yield a function that waits for its progress."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(headers={"Authorization": f"APIKey {KEY}"}, timeout=60, limits=limits) as api:
        writing = [asyncio.create_task(load.write(api, turn)) for turn in range(WRITERS)]
        try:
            yield lambda: load.reach(writing)
        finally:
            for writer in writing:
                writer.cancel()
            await asyncio.gather(*writing, return_exceptions=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with database_url("postgres") as url, run_cluster(tmp_path, url) as created:
        yield created


async def start(cluster: Cluster, number: int, **variables: str) -> Server:
    """Start a server without stopping the load."""
    server = cluster.spawn(number, "--log-level", "warning", **variables)
    await asyncio.to_thread(wait_until_ready, server)
    return server


async def test_the_previous_server_and_this_one_share_a_database_under_load(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "previous").mkdir()
    sources = extract_previous_version(tmp_path / "previous")
    previous = {"PYTHONPATH": str(sources)}
    load = Load([await start(cluster, 1, **previous)])

    async with under_load(load) as make_progress:
        await make_progress()
        load.servers = [*load.servers, await start(cluster, 2)]
        await make_progress()
        if any((sources / "pileus/store/migrations").glob(f"*_{FIRST}.sql")):
            # To roll back, the previous version starts on the newer schema.
            await replace(cluster, load, 1, previous)
            await make_progress()
        await replace(cluster, load, 1, {})
        await make_progress()

    versions = cluster.rows("SELECT max(version) FROM schema_versions")
    assert versions == [(load_migrations()[-1][0],)]
    async with httpx.AsyncClient(headers={"Authorization": f"APIKey {KEY}"}, timeout=60) as api:
        for path, number in load.acknowledged.items():
            for server in cluster.servers.values():
                tags = (await api.get(server.url + path)).json()["tags"]
                assert next(int(tag["value"]) for tag in tags if tag["key"] == "number") >= number
    assert cluster.rows("SELECT id, error FROM tasks WHERE state = 'ERROR'") == []


async def replace(cluster: Cluster, load: Load, number: int, variables: dict[str, str]) -> None:
    """Take a server out of the load, stop it, and start it with other variables."""
    stopped = cluster.servers[number]
    load.servers = [server for server in load.servers if server is not stopped]
    await load.wait_until_unused(stopped)
    assert await asyncio.to_thread(cluster.stop, number) == 0
    load.servers = [*load.servers, await start(cluster, number, **variables)]
