"""Two servers over one PostgreSQL: what one of them begins to use is deleted on the other, and nothing dangles.

The first request stops when it is about to commit. The second runs until its task has ended, or until it waits for the
first. So neither sees what the other has written. Both orders of every race are tried.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.domain.account.access import Role
from tests.app_settings import checked_settings
from tests.chaos.inconsistencies import COVERED, STATEMENTS
from tests.chaos.proxies import Proxy, proxy_of
from tests.chaos.references import (
    COLUMNS,
    NEVER_DELETED,
    NO_RACE,
    RACES,
    Race,
    Request,
    is_explained,
)
from tests.chaos.rounds import current_figures, rounds
from tests.databases import database_url
from tests.tenants import client_of, new_tenant

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
UNFINISHED = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"
PATIENCE = 30


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


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoServers]:
    data = tmp_path_factory.mktemp("races")
    with database_url("postgres") as url:
        async with (
            proxy_of(url) as (proxy, proxied_url),
            await psycopg.AsyncConnection.connect(url, autocommit=True) as observer,
        ):
            first = checked_settings(
                data=data, database=proxied_url, log_level="error", subscribers="any", image_sources="any"
            )
            second = checked_settings(
                data=data, database=url, log_level="error", subscribers="any", image_sources="any"
            )
            async with run_cloud(first) as first_cloud, run_cloud(second) as second_cloud:
                yield TwoServers(proxy, first_cloud, second_cloud, observer)


async def test_every_reference_of_the_schema_has_a_race_or_a_reason(servers: TwoServers) -> None:
    columns = {column for (column,) in await servers.rows(COLUMNS)}

    assert sorted(column for column in columns if column not in COVERED and not is_explained(column)) == []
    assert sorted(NO_RACE.keys() - columns) == []
    assert sorted(COVERED - columns - {"ddos_profiles.ip_address"}) == []
    assert sorted(NEVER_DELETED.keys() - {column.partition(".")[2] for column in columns}) == []


@pytest.mark.parametrize("is_use_first", [True, False], ids=["use-first", "deletion-first"])
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
async def test_a_use_and_a_deletion_on_two_servers_leave_nothing_dangling(
    servers: TwoServers, race: Race, *, is_use_first: bool
) -> None:
    for _ in rounds(1):
        async with new_tenant(servers.first) as tenant:
            use, deletion = await race.prepare(tenant)
            before = await find_inconsistencies(servers)
            token = tenant.tokens[Role.ADMINISTRATORS]
            async with client_of(servers.second, token) as other:
                requests = (use, deletion) if is_use_first else (deletion, use)
                answers = await send_overlapping(servers, tenant.api, other, *requests)

            statuses = [answer.status_code for answer in answers]
            assert max(statuses) < 500, [answer.text for answer in answers]
            assert min(statuses) < 300, [answer.text for answer in answers]
            inconsistencies = await find_inconsistencies(servers) - before
            current_figures().update(races=1, inconsistent=len(inconsistencies))
            assert inconsistencies == set()


async def send_overlapping(
    servers: TwoServers, api: httpx.AsyncClient, other: httpx.AsyncClient, first: Request, second: Request
) -> list[httpx.Response]:
    """Send a request that stops at its COMMIT, and another; the first goes on when the other waits or its task ends."""
    servers.proxy.hold(b"COMMIT")
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


async def find_inconsistencies(servers: TwoServers) -> set[tuple[Any, ...]]:
    """Wait for all tasks; return records that are half done or refer to missing ones."""
    async with asyncio.timeout(PATIENCE):
        while await servers.count(UNFINISHED):
            pass
    return {(name, *row) for name, statement in STATEMENTS.items() for row in await servers.rows(statement)}
