"""A tenant that owns one of everything, for tests that only look or that cannot change anything."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pileus.app import RunningCloud
from tests.api.foreign_ids import Ids, ids_of
from tests.databases import BACKENDS
from tests.sync_app import World, world_on
from tests.tenants import Tenant, new_tenant


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant, and the ids of what it owns."""

    tenant: Tenant
    ids: Ids


@pytest.fixture(scope="session")
async def owner(running: RunningCloud) -> AsyncIterator[Owner]:
    """One owner for many tests."""
    async with new_tenant(running) as tenant:
        yield Owner(tenant, await ids_of(tenant))


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An application for tests that are not coroutines, on each database."""
    with world_on(request.param, tmp_path) as opened:
        yield opened
