"""Large requests of one tenant are worked on in turns, so that another tenant's requests are answered between them."""

import asyncio
from typing import Any

import pytest

from tests.builders import an_instance
from tests.storage import a_volume
from tests.tenants import Tenant

# In this process, the order of answers does not depend on when another process answers.
pytestmark = pytest.mark.parametrize("running", ["sqlite"], indirect=True, scope="session")
REQUESTS = 8
MOST = REQUESTS // 2
"""Other answers before that of a small request; without turns it is the last one."""
MISSING = "00000000-0000-4000-8000-000000000000"
LARGE = b'{"id": "%s", "tags": {%s}}' % (MISSING.upper().encode(), b", ".join(b'"%d": 0' % key for key in range(9000)))
WITH_NUL = b'{"unknown": [%s"\\u0000"]}' % (b"0, " * 20_000)


async def answers_before(request: "asyncio.Task[Any]", others: "list[asyncio.Task[Any]]") -> int:
    """Return how many of the other requests have been answered when a request is."""
    assert (await request).status_code == 200
    count = sum(other.done() for other in others)
    await asyncio.gather(*others)
    return count


@pytest.mark.parametrize("body", [LARGE, WITH_NUL], ids=["ids in another form", "NUL"])
async def test_a_request_is_answered_between_large_bodies_of_another_tenant(
    tenant: Tenant, stranger: Tenant, body: bytes
) -> None:
    instance = await an_instance(tenant)
    path = stranger.path("instances", MISSING)
    bodies = [asyncio.create_task(stranger.api.patch(path, content=body)) for _ in range(REQUESTS)]
    await asyncio.sleep(0)
    request = asyncio.create_task(tenant.api.get(tenant.path("instances", instance.id)))

    assert await answers_before(request, bodies) <= MOST


async def test_a_list_is_answered_between_large_lists_of_another_tenant(tenant: Tenant, stranger: Tenant) -> None:
    await a_volume(tenant)
    for number in range(300):
        await a_volume(stranger, name=f"data-{number}")
    lists = [asyncio.create_task(stranger.api.get(stranger.path("volumes"))) for _ in range(REQUESTS)]
    await asyncio.sleep(0)
    request = asyncio.create_task(tenant.api.get(tenant.path("volumes")))

    assert await answers_before(request, lists) <= MOST
