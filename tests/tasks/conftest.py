"""Workbenches and an idle cloud, on each database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pileus.app import RunningCloud
from pileus.store.database import Database
from tests.databases import BACKENDS
from tests.simulated_cloud import a_driver
from tests.tasks.db_snapshot import delete_tenant_rows
from tests.tasks.idle_clouds import IdleCloud, run_idle_cloud
from tests.tasks.schedules import ScheduleBench
from tests.tasks.workers import Workbench
from tests.tenants import new_tenant


@pytest.fixture
def bench(db: Database) -> Workbench:
    """Return a workbench with an empty database and no machines."""
    return Workbench(db, a_driver(db))


@pytest.fixture
def schedule_bench(bench: Workbench) -> ScheduleBench:
    """Return the workbench with a scheduler."""
    return ScheduleBench(bench)


@pytest.fixture(scope="module", params=BACKENDS)
async def idle_running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningCloud]:
    """A cloud whose engine does not run by itself, on each database."""
    async with run_idle_cloud(request.param, tmp_path_factory.mktemp("operations")) as running:
        yield running


@pytest.fixture
async def idle(idle_running: RunningCloud) -> AsyncIterator[IdleCloud]:
    """A new tenant, whose rows are the only ones of tenants."""
    clock: Any = idle_running.app_state.clock.system_now
    async with new_tenant(idle_running) as tenant:
        yield IdleCloud(tenant, clock)
    await delete_tenant_rows(idle_running.app_state.db)
