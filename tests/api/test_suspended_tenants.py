"""A suspended tenant has no access, and nothing else changes for it."""

import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.test_tenants import PASSWORD, create_tenant
from tests.tenants import Tenant, client_of, new_tenant

TENANTS = "/_pileus/tenants"


@pytest.fixture
async def operator(tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of another tenant than the one that is suspended."""
    async with new_tenant(tenant.running) as other:
        yield other.operator


@pytest.fixture
async def anonymous(tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client without an API key."""
    async with client_of(tenant.running, None) as client:
        yield client


async def suspend(operator: httpx.AsyncClient, client_id: int) -> None:
    """Suspend a tenant."""
    (await operator.post(f"{TENANTS}/{client_id}/suspend")).raise_for_status()


def sentence(client_id: int) -> str:
    """Return the message of the refusal."""
    return f"Tenant {client_id} is suspended: those who operate this cloud can resume it"


async def test_the_keys_of_a_suspended_tenant_are_403_until_it_is_resumed(
    tenant: Tenant, operator: httpx.AsyncClient
) -> None:
    path = tenant.path("networks")
    await suspend(operator, tenant.client_id)
    refused = [await tenant.api.get(path), await tenant.api.post(path, json={"name": "net"})]
    await operator.post(f"{TENANTS}/{tenant.client_id}/resume")

    assert [answer.status_code for answer in refused] == [403, 403]
    assert {answer.json()["message"] for answer in refused} == {sentence(tenant.client_id)}
    assert (await tenant.api.get(path)).status_code == 200


async def test_tasks_and_resources_of_a_suspended_tenant_go_on(tenant: Tenant, operator: httpx.AsyncClient) -> None:
    await operator.post("/_pileus/faults", params={"client_id": tenant.client_id}, json={"kind": "hold"})
    created = await tenant.api.post(tenant.path("networks"), json={"name": "net-1"})
    await suspend(operator, tenant.client_id)
    await operator.delete("/_pileus/faults", params={"client_id": tenant.client_id})
    await operator.post(f"{TENANTS}/{tenant.client_id}/resume")

    assert (await tenant.wait_until_finished(created))["state"] == "FINISHED"
    names = [network["name"] for network in (await tenant.api.get(tenant.path("networks"))).json()["results"]]
    assert "net-1" in names


async def test_users_of_a_suspended_tenant_neither_log_in_nor_use_a_login_until_it_is_resumed(
    tenant: Tenant, anonymous: httpx.AsyncClient
) -> None:
    client_id = (await create_tenant(tenant))["id"]
    login = {"username": f"user@{client_id}.example.org", "password": PASSWORD}
    body = {"email": login["username"], "password": PASSWORD, "role": "Users"}
    (await tenant.operator.post(f"{TENANTS}/{client_id}/users", json=body)).raise_for_status()
    tokens = (await anonymous.post("/iam/auth/jwt/login", json=login)).raise_for_status().json()
    headers = {"Authorization": f"Bearer {tokens['access']}"}
    await suspend(tenant.operator, client_id)

    refused = [
        await anonymous.get("/cloud/v1/projects", headers=headers),
        await anonymous.post("/iam/auth/jwt/refresh", json={"refresh": tokens["refresh"]}),
        *[await anonymous.post("/iam/auth/jwt/login", json=login) for _ in range(12)],
    ]
    wrong = await anonymous.post("/iam/auth/jwt/login", json={**login, "password": "a wrong password"})
    await tenant.operator.post(f"{TENANTS}/{client_id}/resume")

    assert {(answer.status_code, answer.json()["message"]) for answer in refused} == {(403, sentence(client_id))}
    assert wrong.status_code == 400, "the password is checked before the tenant is named"
    assert (await anonymous.get("/cloud/v1/projects", headers=headers)).status_code == 200
    assert (await anonymous.post("/iam/auth/jwt/refresh", json={"refresh": tokens["refresh"]})).status_code == 200
    assert (await anonymous.post("/iam/auth/jwt/login", json=login)).status_code == 200


async def test_a_revoked_key_of_a_suspended_tenant_is_401(tenant: Tenant) -> None:
    client_id = (await create_tenant(tenant))["id"]
    key = (await tenant.operator.post(f"{TENANTS}/{client_id}/keys", json={"name": "pipeline"})).json()
    await suspend(tenant.operator, client_id)

    async with client_of(tenant.running, f"{key['id']}_{'x' * 40}") as client:
        assert (await client.get("/cloud/v1/projects")).status_code == 401


async def test_a_suspension_is_shown_and_keeps_its_time(tenant: Tenant) -> None:
    client_id = (await create_tenant(tenant))["id"]
    path = f"{TENANTS}/{client_id}"
    first = (await tenant.operator.post(f"{path}/suspend")).json()
    second = (await tenant.operator.post(f"{path}/suspend")).json()
    view = (await tenant.operator.get(path)).json()
    resumed = (await tenant.operator.post(f"{path}/resume")).json()

    assert first == second == view
    assert first["suspended_at"] is not None
    assert resumed == first | {"suspended_at": None}
    assert (await tenant.operator.delete(path)).status_code == 204


async def test_the_tenant_of_the_operators_and_missing_ones_are_not_suspended(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pileus.operators"):
        own = await tenant.operator.post(f"{TENANTS}/1/suspend")
    missing = [await tenant.operator.post(f"{TENANTS}/987654/{act}") for act in ("suspend", "resume")]

    assert own.status_code == 409
    assert [answer.status_code for answer in missing] == [404, 404]
    assert [record.__dict__["operation"] for record in caplog.records] == ["suspend_tenant"]
