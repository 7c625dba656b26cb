"""Resets: the cloud, a tenant or a project is as it was after its creation, and nothing writes to it late."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Struct

from pileus.app import RunningCloud, run_cloud
from pileus.domain.account.api_keys import CACHE_SECONDS
from pileus.drivers.simulated.driver import Simulated
from pileus.services.account.api_keys import create_api_key
from pileus.store import tasks
from pileus.store.count_checks import find_wrong_counts
from pileus.store.database import Database
from pileus.store.database_checks import DatabaseChecks
from pileus.store.tables import CLOUD_TABLES
from pileus.store.tasks import LeaseLostError
from pileus.testing.conformance.helpers import new_disk
from tests.app_settings import checked_settings
from tests.orders import an_order
from tests.servers import KEY, run_server
from tests.tenants import client_of

RESET = "/_pileus/reset"
GROUP = {"security_group": {"name": "group"}}
VOLUME = {"source": "new-volume", "name": "data", "size": 1}
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
async def cloud(url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """A cloud of its own on each database. No other process uses it, so a reset need not wait for one."""
    async with run_cloud(checked_settings(data=tmp_path / "data", database=url, api_key=KEY)) as running:
        await asyncio.sleep(0)
        running.app_state.controls.sleep = _return_at_once
        yield running


async def _return_at_once(_: float) -> None:
    """Wait for no other process."""


@pytest.fixture
async def operator(cloud: RunningCloud) -> AsyncIterator[httpx.AsyncClient]:
    """An operator with the first key."""
    async with client_of(cloud, KEY) as client:
        yield client


class MadeTenant(Struct, frozen=True):
    """A tenant with an administrator's key."""

    client_id: int
    project_id: int
    api: httpx.AsyncClient

    @property
    def place_path(self) -> str:
        """Return the part of paths that names the place."""
        return f"{self.project_id}/1"


@pytest.fixture
async def tenant(cloud: RunningCloud, operator: httpx.AsyncClient) -> AsyncIterator[MadeTenant]:
    """A tenant that the operator has created."""
    client_id = (await operator.post("/_pileus/tenants", json={"name": "tenant"})).json()["id"]
    body = {"name": "key-1", "role": "Administrators"}
    token = (await operator.post(f"/_pileus/tenants/{client_id}/keys", json=body)).json()["token"]
    async with client_of(cloud, token) as api:
        yield MadeTenant(client_id, (await api.get("/cloud/v1/projects")).json()["results"][0]["id"], api)


async def load_rows(db: Database) -> Rows:
    """Return all rows of the tables that a reset empties, but for those that number the changes."""
    async with db.scan() as tx:
        return {
            table.name: sorted(map(tuple, await tx.all(f"SELECT * FROM {table.name}")), key=repr)
            for table in CLOUD_TABLES
            if table.name not in {"controls", "account_revisions", "account_copies"}
        }


async def wait_for_task(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    (task_id,) = answer.raise_for_status().json()["tasks"]
    while True:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        if task["state"] in ("FINISHED", "ERROR"):
            assert task["state"] == "FINISHED", task["error"]
            return dict(task)
        await asyncio.sleep(0.002)


async def make_everything(client: httpx.AsyncClient, place: str) -> None:
    """Create an instance, a network with its subnet, a router, a key, and a subscription."""
    await wait_for_task(client, await client.post(f"/cloud/v2/instances/{place}", json=an_order()))
    network = await wait_for_task(client, await client.post(f"/cloud/v1/networks/{place}", json={"name": "net"}))
    network_id = network["created_resources"]["networks"][0]
    subnet = {"name": "sub", "cidr": "10.0.0.0/24", "network_id": network_id}
    await wait_for_task(client, await client.post(f"/cloud/v1/subnets/{place}", json=subnet))
    await wait_for_task(client, await client.post(f"/cloud/v1/routers/{place}", json={"name": "router"}))
    await wait_for_task(client, await client.post(f"/cloud/v1/floatingips/{place}", json={}))
    (await client.post(f"/cloud/v1/ssh_keys/{place.partition('/')[0]}", json={"name": "key-1"})).raise_for_status()
    (await client.post(f"/cloud/v1/securitygroups/{place}", json=GROUP)).raise_for_status()


async def test_a_reset_cloud_is_as_after_its_first_start(cloud: RunningCloud, operator: httpx.AsyncClient) -> None:
    db = cloud.app_state.db
    before = await load_rows(db)
    await make_everything(operator, "1/1")
    second = (await operator.post("/_pileus/tenants", json={"name": "second"})).json()["id"]
    (await operator.post("/cloud/v1/projects", json={"name": "more"})).raise_for_status()
    (await operator.patch("/cloud/v1/projects/1", json={"name": "renamed"})).raise_for_status()
    await operator.post("/_pileus/faults", json={"kind": "hold", "task_type": "create_volume"})
    (await operator.post("/cloud/v1/volumes/1/1", json=VOLUME)).raise_for_status()
    (await operator.put("/_pileus/time", json={"mode": "realistic"})).raise_for_status()

    answer = await operator.post(RESET)

    assert (answer.status_code, answer.content) == (204, b"")
    assert await load_rows(db) == before
    assert await DatabaseChecks(db).find_all() == []
    assert (await operator.get(f"/_pileus/tenants/{second}")).status_code == 404


async def test_ids_are_given_out_from_the_beginning(operator: httpx.AsyncClient) -> None:
    first = (await operator.post("/_pileus/tenants", json={"name": "first"})).json()["id"]
    await operator.post(RESET)

    assert (await operator.post("/_pileus/tenants", json={"name": "second"})).json()["id"] == first
    assert (await operator.post("/cloud/v1/projects", json={"name": "more"})).json()["id"] == 3


async def test_the_cloud_can_be_used_after_a_reset(cloud: RunningCloud, operator: httpx.AsyncClient) -> None:
    for _ in range(2):
        await make_everything(operator, "1/1")
        (await operator.post(RESET)).raise_for_status()

    await make_everything(operator, "1/1")
    assert await find_wrong_counts(cloud.app_state.db) == []


async def test_keys_of_before_are_not_accepted_and_the_callers_own_stays(
    cloud: RunningCloud, operator: httpx.AsyncClient
) -> None:
    tokens = [
        (await operator.post("/_pileus/tenants/1/keys", json={"name": name, "role": "Administrators"})).json()["token"]
        for name in ("key-1", "key-2")
    ]
    caller = await cloud.app_state.db.write(_make_operators_key)
    async with client_of(cloud, caller) as by_another_operator, client_of(cloud, tokens[0]) as former:
        assert (await former.get("/cloud/v1/projects")).status_code == 200

        await by_another_operator.post(RESET)

        assert (await former.get("/cloud/v1/projects")).status_code == 401
        assert (await by_another_operator.get("/_pileus/tenants")).status_code == 200
    assert (await operator.get("/_pileus/tenants")).status_code == 200


async def _make_operators_key(tx: Any) -> str:
    return (await create_api_key(tx, 1, "ci", "Operators", None, 0))[1]


async def test_a_request_whose_body_arrives_after_the_reset_changes_nothing(
    cloud: RunningCloud, operator: httpx.AsyncClient
) -> None:
    before = await load_rows(cloud.app_state.db)

    async def slow_body() -> AsyncIterator[bytes]:
        yield b'{"name": '
        assert (await operator.post(RESET)).status_code == 204
        yield b'"late"}'

    headers = {"Content-Type": "application/json"}
    answer = await operator.post("/cloud/v1/projects", content=slow_body(), headers=headers)

    assert answer.status_code == 503
    assert "was reset" in answer.text
    assert await load_rows(cloud.app_state.db) == before


async def test_a_request_that_waits_for_a_task_is_answered(operator: httpx.AsyncClient) -> None:
    await operator.post("/_pileus/faults", json={"kind": "hold"})
    waiting = asyncio.create_task(operator.post("/cloud/v1/securitygroups/1/1", json=GROUP))
    while not (await operator.get("/cloud/v1/tasks")).json()["count"]:
        assert not waiting.done()

    await operator.post(RESET)

    assert (await asyncio.wait_for(waiting, 10)).status_code in (404, 503)


async def test_a_worker_whose_task_is_gone_changes_no_machine(cloud: RunningCloud, operator: httpx.AsyncClient) -> None:
    db, driver = cloud.app_state.db, cloud.drivers.require(1)
    assert isinstance(driver, Simulated)
    await operator.post("/_pileus/faults", json={"kind": "hold"})
    task_id = (await operator.post("/cloud/v1/volumes/1/1", json=VOLUME)).json()["tasks"][0]
    async with db.read() as tx:
        task = await tasks.get(tx, 1, task_id)
    await operator.post(RESET)
    before = await load_rows(db)

    with tasks.performing(task), pytest.raises(LeaseLostError):
        await driver.ensure_volume(new_disk())

    assert await load_rows(db) == before


async def test_tasks_that_run_during_resets_leave_nothing_behind(
    cloud: RunningCloud, operator: httpx.AsyncClient
) -> None:
    before = await load_rows(cloud.app_state.db)
    for _ in range(5):
        answers = await asyncio.gather(
            *(operator.post("/cloud/v2/instances/1/1", json=an_order()) for _ in range(8)), operator.post(RESET)
        )
        assert {answer.status_code for answer in answers[:-1]} <= {200, 404, 409, 503}
        assert answers[-1].status_code == 204, answers[-1].text
    await operator.post(RESET)

    assert await load_rows(cloud.app_state.db) == before
    assert await DatabaseChecks(cloud.app_state.db).find_all() == []


async def test_a_reset_tenant_is_as_after_its_creation(
    cloud: RunningCloud, operator: httpx.AsyncClient, tenant: MadeTenant
) -> None:
    await make_everything(operator, "1/1")
    (await tenant.api.get("/cloud/v1/projects")).raise_for_status()
    before = await load_rows(cloud.app_state.db)
    await make_everything(tenant.api, tenant.place_path)
    (await tenant.api.post("/cloud/v1/projects", json={"name": "more"})).raise_for_status()
    (await tenant.api.patch(f"/cloud/v1/projects/{tenant.project_id}", json={"name": "renamed"})).raise_for_status()

    answer = await operator.post(RESET, params={"client_id": tenant.client_id})

    assert answer.status_code == 204
    assert differing(before, await load_rows(cloud.app_state.db)) == []
    assert await DatabaseChecks(cloud.app_state.db).find_all() == []
    assert (await tenant.api.get("/cloud/v1/projects")).json()["count"] == 1


def differing(before: Rows, after: Rows) -> list[Any]:
    """Return the rows that differ, but for counters and counts, which only grow."""
    return [
        (table, row)
        for table in before
        if table not in ("counters", "resource_counts", "projects")
        for row in set(before[table]) ^ set(after[table])
    ]


async def test_a_reset_project_is_empty_and_others_are_as_before(
    cloud: RunningCloud, operator: httpx.AsyncClient, tenant: MadeTenant
) -> None:
    more = (await tenant.api.post("/cloud/v1/projects", json={"name": "more"})).json()["id"]
    await make_everything(tenant.api, f"{more}/1")
    before = await load_rows(cloud.app_state.db)
    await make_everything(tenant.api, tenant.place_path)

    answer = await operator.post(RESET, params={"project_id": tenant.project_id})

    assert answer.status_code == 204
    assert differing(before, await load_rows(cloud.app_state.db)) == []
    assert await DatabaseChecks(cloud.app_state.db).find_all() == []


async def test_only_an_operator_resets_and_only_what_exists(operator: httpx.AsyncClient, tenant: MadeTenant) -> None:
    own = {"project_id": tenant.project_id}

    assert (await tenant.api.post(RESET, params=own)).status_code == 403
    assert (await operator.post(RESET, params={"client_id": 99})).status_code == 404
    assert (await operator.post(RESET, params={"project_id": 99})).status_code == 404
    assert (await operator.post(RESET, params={"client_id": 1, **own})).status_code == 404
    assert (await operator.post(RESET, params={"client_id": 0})).status_code == 400
    assert (await tenant.api.get("/cloud/v1/projects")).json()["count"] == 1


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with two processes."""
    with run_server(tmp_path / "served", "--workers", "2") as server:
        yield server.url


def test_no_process_accepts_a_key_of_before(workers: str) -> None:
    assert CACHE_SECONDS <= 1
    with httpx.Client(base_url=workers, headers={"Authorization": f"APIKey {KEY}"}) as operator:
        tenant_id = operator.post("/_pileus/tenants", json={"name": "tenant"}).json()["id"]
        body = {"name": "key-1", "role": "Administrators"}
        token = operator.post(f"/_pileus/tenants/{tenant_id}/keys", json=body).json()["token"]
        assert statuses(workers, token) == {200}

        assert operator.post(RESET).status_code == 204

        assert statuses(workers, token) == {401}
        assert operator.post("/_pileus/tenants", json={"name": "tenant"}).json()["id"] == tenant_id


def statuses(url: str, token: str) -> set[int]:
    """Send requests by new connections, which the processes share."""
    headers = {"Authorization": f"APIKey {token}"}
    return {httpx.get(f"{url}/cloud/v1/projects", headers=headers).status_code for _ in range(20)}
