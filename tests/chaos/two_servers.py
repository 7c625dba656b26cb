"""Two servers over one PostgreSQL, and two requests of which the second begins before the first one commits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from pileus.app import RunningCloud, run_cloud
from tests.app_settings import checked_settings
from tests.chaos.proxies import Proxy, proxy_of
from tests.chaos.references import Request
from tests.databases import database_url

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
UNFINISHED = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"


@dataclass(slots=True)
class TwoServers:
    """Two clouds over one database; the connections of the first lead through a proxy."""

    proxy: Proxy
    first: RunningCloud
    second: RunningCloud
    observer: psycopg.AsyncConnection[Any]

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        return await (await self.observer.execute(sql.encode())).fetchall()

    async def count(self, sql: str) -> int:
        """Return the only number that a statement selects."""
        return int((await self.rows(sql))[0][0])


@asynccontextmanager
async def run_two_servers(data: Path) -> AsyncIterator[TwoServers]:
    """Run two clouds over a new database. Skips the test if there is no PostgreSQL server."""
    with database_url("postgres") as url:
        async with (
            proxy_of(url) as (proxy, proxied_url),
            await psycopg.AsyncConnection.connect(url, autocommit=True) as observer,
        ):
            first, second = (
                checked_settings(data=data, database=address, log_level="error", subscribers="any", image_sources="any")
                for address in (proxied_url, url)
            )
            async with run_cloud(first) as first_cloud, run_cloud(second) as second_cloud:
                yield TwoServers(proxy, first_cloud, second_cloud, observer)


async def send_overlapping(
    servers: TwoServers,
    api: httpx.AsyncClient,
    other: httpx.AsyncClient,
    first: Request,
    second: Request,
    *,
    is_written: bool = False,
) -> list[httpx.Response]:
    """Send a request that stops at its COMMIT, and another; the first goes on when the other waits or its task ends.

    With `is_written`, the first has executed also those of its statements that it sends together with the COMMIT.
    """
    servers.proxy.hold(b"COMMIT", forwards_before=is_written)
    sending = asyncio.create_task(api.request(first[0], first[1], json=first[2]))
    holding = asyncio.create_task(servers.proxy.is_holding.wait())
    try:
        await asyncio.wait({sending, holding}, return_when=asyncio.FIRST_COMPLETED)
        overlapping = asyncio.create_task(other.request(second[0], second[1], json=second[2]))
        while not (overlapping.done() and not await servers.count(UNFINISHED)) and not await servers.count(BLOCKED):
            pass
    finally:
        holding.cancel()
        servers.proxy.release()
    return [await sending, await overlapping]
