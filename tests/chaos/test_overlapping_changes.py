"""Two servers over one PostgreSQL change the same thing at once: the second decides by what the first has written."""

from collections.abc import AsyncIterator

import httpx
import pytest

from pileus.domain.account.access import Role
from tests.chaos.references import Request
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.two_servers import TwoServers, run_two_servers, send_overlapping
from tests.orders import an_order
from tests.tenants import REGION, Tenant, client_of, new_tenant

FLAVOR = an_order()["flavor"]


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoServers]:
    async with run_two_servers(tmp_path_factory.mktemp("changes")) as both:
        yield both


@pytest.fixture
async def tenant(servers: TwoServers) -> AsyncIterator[Tenant]:
    async with new_tenant(servers.first) as fresh:
        yield fresh


async def change_at_once(
    servers: TwoServers, tenant: Tenant, first: Request, second: Request, *, is_written: bool = False
) -> list[httpx.Response]:
    """Send two requests of a tenant, of which neither sees what the other one has written."""
    async with client_of(servers.second, tenant.tokens[Role.ADMINISTRATORS]) as other:
        answers = await send_overlapping(servers, tenant.api, other, first, second, is_written=is_written)
    current_figures().update(changes=2)
    return answers


async def test_a_limit_of_capacity_holds_while_it_is_set_again(servers: TwoServers, tenant: Tenant) -> None:
    path = f"/_pileus/capacities/{REGION}/{FLAVOR}"
    for _ in rounds(1):
        assert (await tenant.api.put(path, json={"servers": 0})).status_code == 204
        order = ("POST", tenant.path("instances", version=2), an_order())

        answers = await change_at_once(servers, tenant, ("PUT", path, {"servers": 0}), order, is_written=True)

        assert [answer.status_code for answer in answers] == [204, 403]
