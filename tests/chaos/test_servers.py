"""Three servers over one PostgreSQL database: one is killed and the primary crashes, under load.

No acknowledged write is lost, no machine exists twice or without a record, and every task ends.
"""

import asyncio
import random
from collections.abc import Awaitable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.installations import PLACE, Installation, client_of
from tests.chaos.ledgers import Ledger
from tests.chaos.rounds import IS_LONG, current_figures, rounds
from tests.chaos.writers import (
    CREATIONS,
    Stage,
    change_value,
    clear_stage,
    create,
    create_and_delete,
    make_writers,
    run_until_disconnected,
    set_stage,
)
from tests.primaries import Primary, run_primary

SERVERS = 3
MOST_CHANGES = 400 if IS_LONG else 40
"""Acknowledged changes of a server after which it is killed at the latest."""
FEW_CHANGES = 5
"""Acknowledged changes of each other server after that, before the primary crashes."""
SHORT_CREATIONS = ("/cloud/v2/instances", "/cloud/v1/volumes")
UNAVAILABLE = 503


class Servers:
    """Servers with a data directory and a database in common; what each of them acknowledges has a ledger."""

    def __init__(self, data: Path, primary: Primary) -> None:
        self.primary = primary
        self.all = [Installation(data, primary.url, workers=1) for _ in range(SERVERS)]
        self.ledgers = [Ledger() for _ in self.all]
        self.stages: list[Stage | None] = [None for _ in self.all]

    def client_of(self, number: int) -> httpx.AsyncClient:
        """Return a client of a server, for which an answer that the database is away is a lost connection."""
        server = self.all[number].server
        assert server is not None
        client = client_of(server)
        client.event_hooks["response"] = [_raise_if_unavailable]
        return client

    async def start(self) -> None:
        """Start the servers that do not run; the first start creates the schema and the keys."""
        for installation in self.all:
            if installation.server is None:
                await asyncio.to_thread(installation.start)

    async def prepare(self) -> None:
        """Create what the writers of each server change. The short form has few kinds of changes."""
        for number in range(SERVERS) if IS_LONG else ():
            async with self.client_of(number) as client:
                self.stages[number] = await set_stage(client)

    async def load(self, number: int) -> None:
        """Send changes to a server, until it or its database is gone."""
        ledger, stage = self.ledgers[number], self.stages[number]
        async with self.client_of(number) as client, asyncio.TaskGroup() as group:
            if stage is None:
                writers: list[Awaitable[None]] = [await _make_value_writer(client, ledger)]
                writers += [
                    create_and_delete(client, ledger, beginning, *CREATIONS[beginning]) for beginning in SHORT_CREATIONS
                ]
            else:
                writers = make_writers(client, ledger, stage)
            for writer in writers:
                group.create_task(run_until_disconnected(writer, ledger.enough))

    def kill_all(self) -> None:
        """Kill all servers."""
        for installation in self.all:
            installation.kill()


async def _make_value_writer(client: httpx.AsyncClient, ledger: Ledger) -> Awaitable[None]:
    """Return a writer that renames a volume of its own."""
    body = {"name": "name-0", "source": "new-volume", "size": 1}
    volume_id = await create(client, "/cloud/v1/volumes", "volumes", body)
    return change_value(client, ledger, f"/cloud/v1/volumes/{PLACE}/{volume_id}", "name")


async def _raise_if_unavailable(answer: httpx.Response) -> None:
    """Raise for 503: as without an answer, the change may have been saved."""
    if answer.status_code == UNAVAILABLE:
        raise httpx.ReadError("the database is away", request=answer.request)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with run_primary() as primary:
        created = Servers(tmp_path / "data", primary)
        try:
            yield created
        finally:
            created.kill_all()


async def test_nothing_is_lost_when_a_server_is_killed_and_the_primary_crashes_under_load(servers: Servers) -> None:
    figures = current_figures()
    await servers.start()
    await servers.prepare()

    for number in rounds(1):
        killed = number % SERVERS
        others = [ledger for ledger in servers.ledgers if ledger is not servers.ledgers[killed]]
        servers.ledgers[killed].expect(random.randrange(1, MOST_CHANGES))  # noqa: S311  # no secret
        async with asyncio.TaskGroup() as group:
            for server in range(SERVERS):
                group.create_task(servers.load(server))
            await servers.ledgers[killed].enough.wait()
            servers.all[killed].kill()
            for ledger in others:
                ledger.expect(FEW_CHANGES)
                await ledger.enough.wait()
            await asyncio.to_thread(servers.primary.crash)
        await asyncio.to_thread(servers.primary.start)
        await servers.start()
        figures.update(kills=1, crashes_of_the_primary=1)
        await check(servers)


async def check(servers: Servers) -> None:
    """Check that all servers answer again, and that nothing is lost or half done."""
    figures, installation = current_figures(), servers.all[0]
    for number in range(SERVERS):
        await wait_until_back(servers, number)
    await installation.wait_for_tasks()
    lost: list[str] = []
    for number, ledger in enumerate(servers.ledgers):
        async with servers.client_of(number) as client:
            lost += await ledger.compare(client)
            figures.update(acknowledged=ledger.acknowledged)
            ledger.acknowledged = 0
    async with servers.client_of(0) as client:
        wrong_usage, inconsistencies = await installation.compare_usage(client), installation.find_inconsistencies()
        for stage in filter(None, servers.stages):
            await clear_stage(client, stage)
    figures.update(lost=len(lost), inconsistent=len(inconsistencies), wrong_usage=len(wrong_usage))
    assert (lost, inconsistencies, wrong_usage) == ([], [], [])


async def wait_until_back(servers: Servers, number: int) -> None:
    """Wait until a server has found its database again."""
    async with asyncio.timeout(60), servers.client_of(number) as client:
        while True:
            try:
                await client.get("/cloud/v1/projects")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
