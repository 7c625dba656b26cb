"""Faults of HTTP: their endpoints, and how several server processes count them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.domain.account.access import Role
from pileus.services.http_faults import MAX_HTTP_FAULTS
from pileus.store import http_faults
from tests.app_settings import checked_settings
from tests.tenants import Tenant, client_of, new_tenant

FAULTS = "/_pileus/http_faults"
RESPOND = {"kind": "respond", "status": 503}


@pytest.fixture
async def operator(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of a cloud in one process; no fault is left after the test."""
    controls = tenant.running.app_state.controls
    monkeypatch.setattr(controls, "is_shared", False)
    yield tenant.operator
    await controls.change(http_faults.remove_all)


async def add(operator: httpx.AsyncClient, **fault: Any) -> dict[str, Any]:
    """Inject a fault and return its view."""
    answer = await operator.post(FAULTS, json=RESPOND | fault)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_fault_is_shown_with_its_counts_until_it_is_deleted(
    tenant: Tenant, operator: httpx.AsyncClient
) -> None:
    fault = await add(operator, operation="list_projects", skip=1, message="Down for maintenance")

    statuses = [(await tenant.api.get("/cloud/v1/projects")).status_code for _ in range(3)]
    view = (await operator.get(f"{FAULTS}/{fault['id']}")).json()
    listed = (await operator.get(FAULTS)).json()
    deleted = await operator.delete(f"{FAULTS}/{fault['id']}")
    missing = await operator.delete(f"{FAULTS}/{fault['id']}")

    assert statuses == [200, 503, 503]
    assert view == fault | {"matches": 3, "hits": 2}
    assert listed == [view]
    assert (deleted.status_code, missing.status_code) == (204, 404)
    assert (await operator.get(f"{FAULTS}/{fault['id']}")).status_code == 404
    assert (await tenant.api.get("/cloud/v1/projects")).status_code == 200


async def test_tenant_0_stands_for_all_tenants(tenant: Tenant, operator: httpx.AsyncClient) -> None:
    fault = await add(operator, operation="list_projects", client_id=0)

    assert fault["client_id"] is None
    assert (await tenant.api.get("/cloud/v1/projects")).status_code == 503


async def test_all_faults_are_deleted_together(operator: httpx.AsyncClient) -> None:
    await add(operator, operation="list_projects")
    await add(operator, operation="list_regions")

    deleted = await operator.delete(FAULTS)

    assert (deleted.status_code, (await operator.get(FAULTS)).json()) == (204, [])
    assert (await operator.delete(FAULTS)).status_code == 204


@pytest.mark.parametrize(
    ("fault", "field", "message"),
    [
        ({"operation": "create_instanc"}, "operation", "There is no operation create_instanc: did you mean create_ins"),
        ({"operation": "brew_*"}, "operation", "There is no operation brew_*: /schema lists them"),
        ({"operation": "add_http_fault"}, "operation", "There is no operation add_http_fault"),
        ({"path": "/cloud/v1/ssh_key/*"}, "path", "No operation has this path: did you mean /cloud/v1/ssh_keys/"),
        ({"path": "/_pileus/http_faults"}, "path", "No operation has this path"),
        ({"operation": "list_projects", "method": "POST"}, "method", "No operation matches operation, method and path"),
        ({"method": "HEAD"}, "method", ""),
        ({"status": None}, "status", "The status of an error is required, from 400 to 511"),
        ({"status": 302}, "status", "The status of an error is required, from 400 to 511"),
        ({"status": 499}, "status", "The status of an error is required, from 400 to 511"),
        ({"seconds": 1}, "seconds", "Only for the kind delay"),
        ({"kind": "delay", "status": None}, "seconds", "Field required"),
        ({"kind": "delay", "status": 500, "seconds": 1}, "status", "Only for the kind respond"),
        ({"kind": "delay", "status": None, "seconds": 301}, "seconds", "Input should be less than or equal to 300"),
        ({"kind": "delay", "status": None, "seconds": 2, "max_seconds": 1}, "max_seconds", "Must not be below seconds"),
        ({"kind": "explode"}, "kind", ""),
        ({"probability": 0}, "probability", "Input should be greater than 0"),
        ({"probability": "half"}, "probability", "Input should be a valid number"),
        ({"times": 0}, "times", ""),
        ({"skip": -1}, "skip", ""),
        ({"retry_after": -1}, "retry_after", ""),
        ({"message": "x" * 1001}, "message", ""),
    ],
)
async def test_a_fault_that_can_never_apply_is_refused(
    operator: httpx.AsyncClient, fault: dict[str, Any], field: str, message: str
) -> None:
    body = {name: value for name, value in (RESPOND | fault).items() if value is not None}

    answer = await operator.post(FAULTS, json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])
    assert message in answer.json()["invalid_fields"][field][0]
    assert (await operator.get(FAULTS)).json() == []


async def test_the_number_of_faults_is_bounded_also_for_simultaneous_requests(operator: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(operator.post(FAULTS, json=RESPOND | {"operation": "get_task"}) for _ in range(MAX_HTTP_FAULTS + 3))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * MAX_HTTP_FAULTS + [409] * 3
    assert len((await operator.get(FAULTS)).json()) == MAX_HTTP_FAULTS


async def test_a_fault_of_a_tenant_does_not_need_a_valid_key(tenant: Tenant, operator: httpx.AsyncClient) -> None:
    of_tenant = await add(operator, operation="list_projects", client_id=tenant.client_id)
    async with client_of(tenant.running, "1_a-wrong-secret") as stranger:
        refused = await stranger.get("/cloud/v1/projects")
        await add(operator, operation="list_projects", status=500)
        hit = await stranger.get("/cloud/v1/projects")

    assert (refused.status_code, hit.status_code) == (401, 500)
    assert (await operator.get(f"{FAULTS}/{of_tenant['id']}")).json()["matches"] == 0


async def test_a_used_up_fault_is_forgotten_by_the_process_but_still_listed(
    tenant: Tenant, operator: httpx.AsyncClient
) -> None:
    await add(operator, operation="list_projects", times=1)
    await tenant.api.get("/cloud/v1/projects")

    assert [fault["hits"] for fault in (await operator.get(FAULTS)).json()] == [1]
    assert tenant.running.app_state.http_faults.active == {}


async def test_a_cloud_that_may_not_be_controlled_refuses_and_obeys_no_fault(tmp_path: Path) -> None:
    async with run_cloud(checked_settings(data=tmp_path)) as cloud, new_tenant(cloud) as tenant:
        await add(tenant.operator, operation="list_projects")
        assert (await tenant.api.get("/cloud/v1/projects")).status_code == 503

    token = tenant.tokens[Role.OPERATORS]
    settings = checked_settings(data=tmp_path, simulation_control="off")
    async with run_cloud(settings) as cloud, client_of(cloud, token) as operator:
        refused = await operator.get(FAULTS)
        obeyed = await operator.get("/cloud/v1/projects")

    assert (refused.status_code, obeyed.status_code) == (403, 200)
    assert refused.json()["message"] == "Control of the simulated cloud is turned off by the setting simulation_control"


@pytest.fixture
async def processes(url: str, tmp_path: Path) -> AsyncIterator[list[RunningCloud]]:
    """Two clouds on one database, as two server processes run them."""
    async with AsyncExitStack() as stack:
        settings = checked_settings(data=tmp_path, database=url, workers=2)
        yield [await stack.enter_async_context(run_cloud(settings)) for _ in range(2)]


async def test_several_processes_obey_a_fault_as_often_as_it_says_together(processes: list[RunningCloud]) -> None:
    first, second = processes
    async with new_tenant(first) as tenant, client_of(second, tenant.tokens[Role.ADMINISTRATORS]) as other:
        fault = await add(tenant.operator, operation="list_projects", times=7, skip=5, probability=0.9, seed=3)
        clients = [tenant.api, other] * 20

        answers = await asyncio.gather(*(client.get("/cloud/v1/projects") for client in clients))
        view = (await tenant.operator.get(f"{FAULTS}/{fault['id']}")).json()
        deleted = await tenant.operator.delete(f"{FAULTS}/{fault['id']}")

    assert sorted(answer.status_code for answer in answers) == [200] * 33 + [503] * 7
    assert view["hits"] == 7
    assert deleted.status_code == 204
    assert second.app_state.http_faults.active == {}
