"""What tests run on: the real application on both databases, and a real server process for clients that need one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pileus.app import Running, started
from pileus.settings import Settings
from pileus.store import faults
from tests.databases import BACKENDS, database_url
from tests.tenants import Tenant, new_tenant


@pytest.fixture(scope="session", params=BACKENDS)
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A cloud in this process, with its engine at work, on each database."""
    data: Path = tmp_path_factory.mktemp("data")
    with database_url(request.param) as url:
        async with started(Settings(data=data, database=url, log_level="error")) as cloud:
            yield cloud


@pytest.fixture
async def tenant(running: Running) -> AsyncIterator[Tenant]:
    """A tenant of its own, and a cloud in which nothing is to go wrong afterwards."""
    async with new_tenant(running) as fresh:
        yield fresh
    await running.cloud.db.write(faults.clear)


@pytest.fixture
async def stranger(running: Running) -> AsyncIterator[Tenant]:
    """Another tenant, who must never see what is the first one's."""
    async with new_tenant(running) as fresh:
        yield fresh
