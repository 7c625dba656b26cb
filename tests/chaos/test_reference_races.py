"""Two servers over one PostgreSQL: what one of them begins to use is deleted on the other, and nothing dangles.

The first request stops when it is about to commit. The second runs until its task has ended, or until it waits for the
first. So neither sees what the other has written. Both orders of every race are tried.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pileus.domain.account.access import Role
from tests.chaos.inconsistencies import COVERED, STATEMENTS
from tests.chaos.references import COLUMNS, NEVER_DELETED, NO_RACE, RACES, Race, is_explained
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.two_servers import UNFINISHED, TwoServers, run_two_servers, send_overlapping
from tests.tenants import client_of, new_tenant

PATIENCE = 30


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoServers]:
    async with run_two_servers(tmp_path_factory.mktemp("races")) as both:
        yield both


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


async def find_inconsistencies(servers: TwoServers) -> set[tuple[Any, ...]]:
    """Wait for all tasks; return records that are half done or refer to missing ones."""
    async with asyncio.timeout(PATIENCE):
        while await servers.count(UNFINISHED):
            pass
    return {(name, *row) for name, statement in STATEMENTS.items() for row in await servers.rows(statement)}
