"""Streams end with the access of their caller: nothing is shown to a key that has ended or that nobody can check."""

import asyncio
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from pileus.api import stream_access
from pileus.api.authentication import Authenticator
from pileus.api.authorization import READ
from pileus.api.routes import change_streams
from pileus.api.routes.simulation import request_logs
from pileus.api.stream_access import StreamAccess
from pileus.app import RunningCloud
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import parse_key_id
from pileus.domain.errors import Unavailable
from pileus.store.account import api_keys, clients
from pileus.store.database import Database, Tx
from tests.api.routes import ENDLESS
from tests.event_streams import open_event_stream
from tests.tenants import Tenant

if TYPE_CHECKING:
    from pileus.api.context import RequestContext
    from pileus.api.requests import BodyDecodingRequest

STREAMS = sorted(name.removeprefix("GET ") for name in ENDLESS)
CHANGES, REQUESTS = "/ui/changes", "/_pileus/requests/stream"
SHORT = 0.01


class SwitchedDatabase:
    """A database that tests switch off."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.is_away = False

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Begin a transaction."""
        if self.is_away:
            raise Unavailable("The database does not answer")
        return self._db.read()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let streams that show nothing look after their callers often."""
    for module in (change_streams, request_logs, stream_access):
        monkeypatch.setattr(module, "PAUSE", SHORT)


@pytest.fixture
def database(running: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> SwitchedDatabase:
    """The database of the keys, which remembers no caller."""
    switched = SwitchedDatabase(running.app_state.db)
    authenticator = Authenticator(cast("Database", switched), clock=iter(range(1_000_000)).__next__)
    monkeypatch.setattr(running.app_state, "authenticator", authenticator)
    return switched


async def revoke_key(tenant: Tenant, role: Role) -> None:
    """Revoke the key of a role."""
    cloud, key_id = tenant.running.app_state, parse_key_id(tenant.tokens[role])
    assert key_id is not None
    await cloud.db.write(lambda tx: api_keys.revoke(tx, key_id, cloud.now()))


async def suspend(tx: Tx, client_id: int) -> None:
    """Suspend a tenant."""
    await clients.save_suspension(tx, replace(await clients.get(tx, client_id), suspended_at=1))


async def make_change(tenant: Tenant) -> str:
    """Make a change that all streams show, and return the id of the resource."""
    answer = await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json={"name": "one"})
    await tenant.running.app_state.change_feeds.poll()
    return str(answer.raise_for_status().json()["id"])


@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_shows_nothing_to_a_key_that_was_revoked(tenant: Tenant, path: str) -> None:
    async with open_event_stream(tenant.running, path, tenant.tokens[Role.OPERATORS]) as stream:
        await revoke_key(tenant, Role.OPERATORS)
        await make_change(tenant)

        assert await stream.read_to_end() == []


async def test_a_stream_ends_at_a_change_that_it_does_not_show(tenant: Tenant) -> None:
    token, query = tenant.tokens[Role.USERS], f"project_id={tenant.project_id + 1}"
    async with open_event_stream(tenant.running, CHANGES, token, query) as stream:
        await revoke_key(tenant, Role.USERS)
        await make_change(tenant)

        assert await stream.read_to_end() == []


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_of_a_suspended_tenant_ends(tenant: Tenant, path: str) -> None:
    async with open_event_stream(tenant.running, path, tenant.tokens[Role.OPERATORS]) as stream:
        await tenant.running.app_state.db.write(lambda tx: suspend(tx, tenant.client_id))

        assert [message for message in await stream.read_to_end() if "data:" in message] == []


@pytest.mark.usefixtures("short_pauses")
async def test_the_request_log_ends_when_the_cloud_may_not_be_controlled_any_more(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_event_stream(tenant.running, REQUESTS, tenant.tokens[Role.OPERATORS]) as stream:
        monkeypatch.setattr(tenant.running.app_state, "control_obstacle", "Not here")

        assert [message for message in await stream.read_to_end() if "data:" in message] == []


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_outlasts_an_outage_of_the_database_with_its_keys(
    tenant: Tenant, database: SwitchedDatabase, path: str
) -> None:
    async with open_event_stream(tenant.running, path, tenant.tokens[Role.OPERATORS]) as stream:
        database.is_away = True
        signs_of_life = [await stream.read_until(": alive\r\n\r\n") for _ in range(3)]
        database.is_away = False
        key_id = await make_change(tenant)

        assert key_id in await stream.read_until(key_id)
    assert len(signs_of_life) == 3


@pytest.mark.usefixtures("short_pauses")
async def test_an_item_waits_until_its_reader_can_be_checked(running: RunningCloud, tenant: Tenant) -> None:
    database = SwitchedDatabase(running.app_state.db)
    database.is_away = True
    items = make_access(running, tenant, database, asyncio.Event()).guard(count_up())
    read = [await anext(items), await anext(items)]
    database.is_away = False

    assert [*read, await anext(items), await anext(items)] == [None, None, 0, 1]


@pytest.mark.usefixtures("short_pauses")
async def test_a_stream_that_waits_for_the_database_ends_with_the_server(running: RunningCloud, tenant: Tenant) -> None:
    database, stopping = SwitchedDatabase(running.app_state.db), asyncio.Event()
    database.is_away = True
    items = make_access(running, tenant, database, stopping).guard(count_up())
    first = await anext(items)
    stopping.set()

    assert (first, [item async for item in items]) == (None, [])


async def count_up() -> Any:
    """Yield numbers."""
    number = 0
    while True:
        yield number
        number += 1


def make_access(
    running: RunningCloud, tenant: Tenant, database: SwitchedDatabase, stopping: asyncio.Event
) -> StreamAccess:
    """Return the access of a tenant's key, which is looked up in a database."""
    authenticator = Authenticator(cast("Database", database))
    app = SimpleNamespace(authenticator=authenticator, now=running.app_state.now, stopping=stopping)
    ctx = SimpleNamespace(app=app, caller=SimpleNamespace(client_id=tenant.client_id))
    headers = {"authorization": f"APIKey {tenant.tokens[Role.USERS]}"}
    request = SimpleNamespace(headers=headers, route_handler=SimpleNamespace(opt=READ))
    return StreamAccess(cast("RequestContext", ctx), cast("BodyDecodingRequest", request))
