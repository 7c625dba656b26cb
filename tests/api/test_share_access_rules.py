"""Access rules of file shares agree with the driver, also if requests overlap or the driver fails."""

import asyncio
from typing import Any

import pytest

from pileus.domain.storage.file_shares import AccessRuleState
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.storage import ShareAccess
from pileus.drivers.simulated.driver import Simulated
from pileus.store.storage import file_shares
from tests.builders import a_network, driver_of
from tests.storage import a_file_share, an_access_rule
from tests.tenants import Tenant

RULE = {"ip_address": "10.0.0.7", "access_mode": "rw"}
SILENT, REFUSAL = DriverUnreachable("The storage does not answer"), DriverError("No more rules", retryable=False)


async def a_share_path(tenant: Tenant) -> tuple[str, str]:
    """Add a file share; return its id and the path of its access rules."""
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    return share.id, tenant.path("file_shares", share.id, "access_rule")


async def list_states(tenant: Tenant, path: str) -> dict[str, str]:
    """Return the states of the rules, by id."""
    return {rule["id"]: rule["state"] for rule in (await tenant.api.get(path)).json()["results"]}


async def save_state(tenant: Tenant, rule_id: str, state: AccessRuleState) -> None:
    await tenant.running.app_state.db.write(lambda tx: file_shares.set_rule_state(tx, rule_id, state))


def fail_after(monkeypatch: pytest.MonkeyPatch, driver: Simulated, name: str, failure: DriverError) -> None:
    """Let a method of the driver do its work, and then fail."""
    work = getattr(driver, name)

    async def fail(*args: Any) -> None:
        await work(*args)
        raise failure

    monkeypatch.setattr(driver, name, fail)


def fail_before(monkeypatch: pytest.MonkeyPatch, driver: Simulated, name: str, failure: DriverError) -> None:
    """Let a method of the driver fail."""

    async def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(driver, name, fail)


async def test_a_rule_that_is_deleted_while_it_is_applied_grants_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_id, path = await a_share_path(tenant)
    driver, called, deleted = driver_of(tenant.running), asyncio.Event(), asyncio.Event()
    grant = driver.ensure_share_access

    async def grant_slowly(access: ShareAccess) -> None:
        called.set()
        await deleted.wait()
        await grant(access)

    monkeypatch.setattr(driver, "ensure_share_access", grant_slowly)
    creation = asyncio.create_task(tenant.api.post(path, json=RULE))
    await called.wait()
    ((rule_id, state),) = (await list_states(tenant, path)).items()
    deletion = await tenant.api.delete(f"{path}/{rule_id}")
    deleted.set()
    answer = await creation

    assert (state, deletion.status_code, answer.status_code) == ("applying", 204, 409)
    assert answer.json()["message"] == f"Access rule {rule_id} was deleted while it was applied"
    assert await list_states(tenant, path) == {}
    assert await driver.list_share_access(share_id) == []


@pytest.mark.parametrize(("failure", "status"), [(SILENT, 503), (REFUSAL, 409)])
async def test_a_rule_whose_application_fails_grants_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, failure: DriverError, status: int
) -> None:
    share_id, path = await a_share_path(tenant)
    driver = driver_of(tenant.running)
    fail_after(monkeypatch, driver, "ensure_share_access", failure)

    answer = await tenant.api.post(path, json=RULE)

    assert (answer.status_code, answer.json()["message"]) == (status, str(failure))
    assert await list_states(tenant, path) == {}
    assert await driver.list_share_access(share_id) == []


async def test_access_that_cannot_be_ended_keeps_its_rule(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    share_id, path = await a_share_path(tenant)
    driver = driver_of(tenant.running)
    with monkeypatch.context() as broken:
        fail_after(broken, driver, "ensure_share_access", SILENT)
        fail_before(broken, driver, "ensure_no_share_access", SILENT)
        answer = await tenant.api.post(path, json=RULE)
        ((rule_id, state),) = (await list_states(tenant, path)).items()
        refused = await tenant.api.delete(f"{path}/{rule_id}")

    assert (answer.status_code, state, refused.status_code) == (503, "error", 503)
    assert await driver.list_share_access(share_id) == [("10.0.0.7", "rw")]
    assert (await tenant.api.delete(f"{path}/{rule_id}")).status_code == 204
    assert await list_states(tenant, path) == {}
    assert await driver.list_share_access(share_id) == []


async def test_a_rule_that_is_gone_comes_back_if_its_access_cannot_be_ended(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_id, path = await a_share_path(tenant)
    driver = driver_of(tenant.running)
    grant = driver.ensure_share_access

    async def grant_and_lose(access: ShareAccess) -> None:
        await grant(access)
        await tenant.running.app_state.db.write(
            lambda tx: file_shares.remove_rule(tx, access.id, AccessRuleState.APPLYING)
        )

    monkeypatch.setattr(driver, "ensure_share_access", grant_and_lose)
    fail_before(monkeypatch, driver, "ensure_no_share_access", SILENT)

    answer = await tenant.api.post(path, json=RULE)

    assert answer.status_code == 503
    assert list((await list_states(tenant, path)).values()) == ["error"]
    assert await driver.list_share_access(share_id) == [("10.0.0.7", "rw")]


async def test_an_unfinished_rule_can_be_deleted(tenant: Tenant) -> None:
    """A server that ends while it applies or denies a rule leaves it in that state."""
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    path = tenant.path("file_shares", share.id, "access_rule")
    for number, state in enumerate((AccessRuleState.APPLYING, AccessRuleState.DENYING)):
        rule = await an_access_rule(tenant, share, f"10.0.0.{number}")
        await save_state(tenant, rule.id, state)
        assert (await tenant.api.delete(f"{path}/{rule.id}")).status_code == 204

    assert await list_states(tenant, path) == {}
    assert await driver_of(tenant.running).list_share_access(share.id) == []
