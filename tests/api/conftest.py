"""A tenant that owns one resource of each kind, for tests that change nothing."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pileus.app import RunningCloud
from tests.api.foreign_ids import Ids, create_everything
from tests.databases import BACKENDS
from tests.sync_app import SyncApp, run_sync_app
from tests.tenants import Tenant, new_tenant


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant and the ids of its resources."""

    tenant: Tenant
    ids: Ids


@pytest.fixture(scope="session")
async def owner(running: RunningCloud) -> AsyncIterator[Owner]:
    """One owner for all tests."""
    async with new_tenant(running) as tenant:
        yield Owner(tenant, await create_everything(tenant))


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SyncApp]:
    """An application on each database, for synchronous tests."""
    with run_sync_app(request.param, tmp_path) as opened:
        yield opened
