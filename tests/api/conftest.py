"""A tenant that owns one of everything, for tests that only look or that cannot change anything."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from pileus.app import Running
from tests.api.strangers import Ids, ids_of
from tests.tenants import Tenant, new_tenant


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant, and the ids of what it owns."""

    tenant: Tenant
    ids: Ids


@pytest.fixture(scope="session")
async def owner(running: Running) -> AsyncIterator[Owner]:
    """One owner for many tests."""
    async with new_tenant(running) as tenant:
        yield Owner(tenant, await ids_of(tenant))
