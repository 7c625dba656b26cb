"""Who may control the simulated cloud, and where."""

import dataclasses
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.authorization import make_request_context
from pileus.api.control_access import find_control_obstacle
from pileus.api.middleware import ServerMetrics
from pileus.domain.account.access import Access, Role
from pileus.domain.errors import Forbidden
from pileus.settings import Settings
from pileus.tasks.controls import Controls
from tests.api.foreign_ids import missing_ids
from tests.api.routes import ENDPOINTS, Endpoint
from tests.simulated_cloud import drivers_of_regions
from tests.tenants import Tenant, client_of


class ForeignDriver:
    """A driver of another package, which simulates nothing."""


def scope_of(token: str) -> dict[str, Any]:
    """Return a request with a key."""
    headers = [(b"authorization", f"APIKey {token}".encode())]
    return {"method": "GET", "headers": headers, "path_params": {}, "query_string": b"", "request_id": "r"}


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(host="localhost"),
        Settings(host="::1"),
        Settings(host="127.0.0.9"),
        Settings(host="0.0.0.0", simulation_control="on"),  # noqa: S104  # compared, not listened on
    ],
    ids=lambda settings: settings.host,
)
def test_the_cloud_on_loopback_may_be_controlled_and_others_if_a_setting_says_so(
    tenant: Tenant, settings: Settings
) -> None:
    assert find_control_obstacle(settings, tenant.running.drivers) == ""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(host="0.0.0.0"), "listens on 0.0.0.0, which others can reach"),  # noqa: S104  # compared
        (Settings(host="cloud.example.org"), "--simulation-control on"),
        (Settings(simulation_control="off"), "turned off by the setting simulation_control"),
    ],
)
def test_the_reason_of_a_refusal_names_the_setting(tenant: Tenant, settings: Settings, reason: str) -> None:
    assert reason in find_control_obstacle(settings, tenant.running.drivers)


def test_machines_that_are_not_simulated_cannot_be_controlled_whatever_the_setting() -> None:
    settings = Settings(driver="qemu", simulation_control="on")

    assert find_control_obstacle(settings, drivers_of_regions(ForeignDriver(), name="qemu")) == (
        "Only a simulated cloud can be controlled: the driver of region 1 is qemu"
    )


async def test_an_operator_is_refused_with_the_reason(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    state, scope = tenant.running.app_state, scope_of(tenant.tokens[Role.OPERATORS])

    await make_request_context(state, Access.CONTROL, scope)
    monkeypatch.setattr(state, "control_obstacle", "Not here")

    with pytest.raises(Forbidden, match="Not here"):
        await make_request_context(state, Access.CONTROL, scope)
    await make_request_context(state, Access.OPERATE, scope)


@pytest.mark.parametrize("role", [Role.ADMINISTRATORS, Role.ENGINEERS, Role.USERS])
async def test_a_tenant_does_not_learn_whether_the_cloud_may_be_controlled(
    tenant: Tenant, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant.running.app_state, "control_obstacle", "Not here")

    with pytest.raises(Forbidden, match=f"The role {role} does not allow this operation"):
        await make_request_context(tenant.running.app_state, Access.CONTROL, scope_of(tenant.tokens[role]))


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if endpoint.access == Access.CONTROL], ids=str)
async def test_every_endpoint_of_control_is_refused_where_the_cloud_may_not_be_controlled(
    tenant: Tenant, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant.running.app_state, "control_obstacle", "Not here")

    answer = await tenant.operator.request(endpoint.method, endpoint.filled(missing_ids()), content=b"{")

    assert (answer.status_code, answer.json()["message"]) == (403, "Not here")


async def test_a_server_with_another_driver_says_why_it_cannot_be_controlled(tenant: Tenant) -> None:
    settings, drivers = Settings(), drivers_of_regions(ForeignDriver(), name="foreign")
    state = dataclasses.replace(
        tenant.running.app_state,
        drivers=drivers,
        controls=Controls(tenant.running.app_state.db),
        control_obstacle=find_control_obstacle(settings, drivers),
    )
    app = create_app(settings, state, ServerMetrics(CollectorRegistry()))
    running = dataclasses.replace(tenant.running, app=app)

    async with client_of(running, tenant.tokens[Role.OPERATORS]) as operator:
        refused, missing = await operator.get("/_pileus/http_faults"), await operator.get("/_pileus/faults")

    assert (refused.status_code, missing.status_code) == (403, 404)
    assert "the driver of region 1 is foreign" in refused.json()["message"]
