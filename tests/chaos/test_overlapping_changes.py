"""Two servers over one PostgreSQL change the same thing at once: the second decides by what the first has written."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.images import Image
from pileus.domain.limits import TAGS
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Subnet
from pileus.domain.storage.volumes import Snapshot, Volume
from tests.builders import a_floating_ip, a_network, an_image
from tests.chaos.references import Request
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.two_servers import TwoServers, run_two_servers, send_overlapping
from tests.orders import an_order
from tests.storage import a_snapshot, a_volume
from tests.tenants import REGION, Tenant, client_of, new_tenant

FLAVOR = an_order()["flavor"]


async def make_snapshot(tenant: Tenant) -> Snapshot:
    return await a_snapshot(tenant, await a_volume(tenant))


async def make_subnet(tenant: Tenant) -> Subnet:
    _, (subnet,) = await a_network(tenant)
    return subnet


TAGGED: dict[str, Callable[[Tenant], Awaitable[FloatingIP | Image | Snapshot | Subnet | Volume]]] = {
    "floatingips": a_floating_ip,
    "images": an_image,
    "snapshots": make_snapshot,
    "subnets": make_subnet,
    "volumes": a_volume,
}
"""What makes a resource whose tags a PATCH changes without a task."""


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


@pytest.mark.parametrize("noun", TAGGED)
async def test_patches_of_tags_keep_the_limit_together(servers: TwoServers, tenant: Tenant, noun: str) -> None:
    for _ in rounds(1):
        path = tenant.path(noun, (await TAGGED[noun](tenant)).id)
        first, second = ({f"{half}{number}": "x" for number in range(TAGS.value // 2 + 1)} for half in "ab")

        answers = await change_at_once(
            servers, tenant, ("PATCH", path, {"tags": first}), ("PATCH", path, {"tags": second})
        )

        assert [answer.status_code // 100 for answer in answers] == [2, 4], [answer.text for answer in answers]
