"""The clock of a cloud in the process of the tests, and what follows it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from tests.app_settings import checked_settings
from tests.databases import BACKENDS, database_url
from tests.tenants import Tenant

START = "2030-01-01T00:00:00.000000Z"
DAYS = [f"2030-01-{day:02}T00:00:00+0000" for day in range(1, 32)]
PATH = "/_pileus/clock"


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a cloud, as an operator changes it."""

    operator: httpx.AsyncClient

    async def get(self) -> dict[str, Any]:
        """Return the view of the clock."""
        return _view(await self.operator.get(PATH))

    async def put(self, **changes: Any) -> dict[str, Any]:
        """Change the clock."""
        return _view(await self.operator.put(PATH, json=changes))

    async def freeze(self, time: str = START) -> dict[str, Any]:
        """Stop the clock at a time."""
        return await self.put(time=time, frozen=True)

    async def advance(self, **units: float) -> dict[str, Any]:
        """Let time pass."""
        seconds = timedelta(**units).total_seconds()
        return _view(await self.operator.post(f"{PATH}/advance", json={"seconds": seconds}))

    async def reset(self) -> dict[str, Any]:
        """Show the time of the system again."""
        return _view(await self.operator.delete(PATH))


def _view(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture(name="running", scope="module", params=BACKENDS)
async def run_cloud_with_clock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningCloud]:
    """A cloud of its own: the clock is that of all tenants."""
    with database_url(request.param) as url:
        settings = checked_settings(data=tmp_path_factory.mktemp("data"), database=url)
        async with run_cloud(settings) as cloud:
            # The only process of this PostgreSQL database: an answer need not wait for others.
            cloud.app_state.controls.is_shared = False
            yield cloud


@pytest.fixture(name="clock")
async def clock_of_cloud(tenant: Tenant) -> AsyncIterator[Clock]:
    """The clock, which shows the time of the system again after the test; the schedules of the test end."""
    changed = Clock(tenant.operator)
    yield changed
    await changed.reset()
    policies = (await tenant.api.get(tenant.path("lifecycle_policy"))).json()["results"]
    for policy in policies:
        await tenant.api.delete(tenant.path("lifecycle_policy", str(policy["id"])))


@pytest.fixture(name="backend", params=BACKENDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of a database."""
    return str(request.param)


async def create_volume(tenant: Tenant, **fields: Any) -> str:
    """Create a volume of 10 GiB by the API, and return its id."""
    body = {"source": "new-volume", "name": "data", "size": 10, **fields}
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("volumes"), json=body))
    return str(task["created_resources"]["volumes"][0])


async def create_policy(tenant: Tenant, *volume_ids: str, **schedule: Any) -> None:
    """Create a policy of volumes with a daily schedule."""
    fields = {"type": "interval", "days": 1, "max_quantity": 100, **schedule}
    body = {"name": "daily", "action": "volume_snapshot", "volume_ids": volume_ids, "schedules": [fields]}
    answer = await tenant.api.post(tenant.path("lifecycle_policy"), json=body)
    assert answer.status_code == 200, answer.text


async def list_snapshot_times(tenant: Tenant) -> list[str]:
    """Return when the snapshots of a tenant were created, the oldest first."""
    answer = await tenant.api.get(tenant.path("snapshots"))
    return sorted(view["created_at"] for view in answer.json()["results"])
