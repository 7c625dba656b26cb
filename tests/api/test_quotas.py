"""Quotas: usage, limits, limit requests and notifications."""

import asyncio
from typing import Any

import pytest

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.account.quotas import GLOBAL_QUOTAS
from tests.builders import a_floating_ip, a_network, a_placement_group, a_security_group, an_instance
from tests.storage import a_volume, set_quotas
from tests.tenants import REGION, Tenant

REQUESTS = "/cloud/v2/limits_request"


async def regional_quotas(tenant: Tenant) -> dict[str, int]:
    return dict((await tenant.api.get(f"/cloud/v2/regional_quotas/{tenant.client_id}/{REGION}")).json())


async def request_limits(tenant: Tenant, limits: dict[str, Any], why: str = "we grow") -> int:
    """Request other limits; return the id of the request."""
    answer = await tenant.api.post(REQUESTS, json={"description": why, "requested_limits": limits})
    assert (answer.status_code, answer.content) == (201, b"")
    return int((await tenant.api.get(REQUESTS)).json()["results"][0]["id"])


async def test_usage_counts_the_existing_resources(tenant: Tenant) -> None:
    before = await regional_quotas(tenant)
    await an_instance(tenant)
    await a_volume(tenant, size=7)
    await a_network(tenant)
    await a_floating_ip(tenant)
    await a_security_group(tenant)
    await a_placement_group(tenant)

    after = await regional_quotas(tenant)

    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert grown == {
        "vm_count_usage": 1, "cpu_count_usage": 1, "ram_usage": 2048, "volume_count_usage": 2,
        "volume_size_usage": grown["volume_size_usage"], "network_count_usage": 1, "subnet_count_usage": 1,
        "external_ip_count_usage": 1, "floating_count_usage": 1, "firewall_count_usage": 1,
        "servergroup_count_usage": 1,
    }  # fmt: skip
    assert grown["volume_size_usage"] > 7
    assert {name.removesuffix("_usage") for name in after if name.endswith("_usage")} == QUOTAS - GLOBAL_QUOTAS


async def test_client_quotas_contain_those_of_each_region(tenant: Tenant, stranger: Tenant) -> None:
    every = await tenant.sdk.cloud.quotas.get_all()
    globally = await tenant.sdk.cloud.quotas.get_global(client_id=tenant.client_id)
    here = await tenant.sdk.cloud.quotas.get_by_region(client_id=tenant.client_id, region_id=REGION)

    assert every.global_quotas is not None
    assert every.regional_quotas is not None
    assert every.global_quotas.to_dict() == globally.to_dict()
    assert here.to_dict() in [region.to_dict() for region in every.regional_quotas]
    assert globally.project_count_usage == 1
    for path in (f"global_quotas/{stranger.client_id}", f"regional_quotas/{stranger.client_id}/{REGION}"):
        assert (await tenant.api.get(f"/cloud/v2/{path}")).status_code == 404


async def test_a_granted_request_raises_the_limits(
    tenant: Tenant, stranger: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_quotas(tenant, monkeypatch, router_count=1, keypair_count=0)
    limits = {
        "global_limits": {"keypair_count_limit": 2},
        "regional_limits": [{"region_id": REGION, "router_count_limit": 3}],
    }

    number = await request_limits(tenant, limits)
    (request,) = (await tenant.api.get(REQUESTS)).json()["results"]
    assert (request["status"], request["requested_limits"]) == ("in progress", limits)
    assert (await tenant.api.get(f"{REQUESTS}/{number}")).json() == request
    assert (await stranger.api.get(f"{REQUESTS}/{number}")).status_code == 404
    granted = await tenant.operator.put(f"/_pileus/limit_requests/{number}", json={"status": "done"})

    assert granted.json()["status"] == "done"
    assert (await tenant.operator.put(f"/_pileus/limit_requests/{number}", json={"status": "done"})).status_code == 409
    assert (await regional_quotas(tenant))["router_count_limit"] == 3
    assert (await regional_quotas(stranger))["router_count_limit"] == 1
    answers = await asyncio.gather(*(tenant.api.post(tenant.path("routers"), json={"name": "one"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 2
    key = {"name": "laptop"}
    assert (await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json=key)).status_code == 201


async def test_limit_requests_are_filtered_and_deleted(tenant: Tenant) -> None:
    first = await request_limits(tenant, {"global_limits": {"project_count_limit": 9}})
    two = await request_limits(tenant, {}, "another")
    await tenant.operator.put(f"/_pileus/limit_requests/{first}", json={"status": "rejected"})

    async def numbers(**query: Any) -> list[int]:
        return [item["id"] for item in (await tenant.api.get(REQUESTS, params=query)).json()["results"]]

    assert await numbers() == [two, first]
    assert (await numbers(status=["rejected"]), await numbers(request_ids=[two])) == ([first], [two])
    assert await numbers(created_to="2001-01-01T00:00:00Z") == []
    assert (await tenant.api.delete(f"{REQUESTS}/{first}")).status_code == 204
    assert await numbers() == [two]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"global_limits": {"vm_count_limit": 3}}, "vm_count_limit"),
        ({"regional_limits": [{"region_id": REGION, "moon_count_limit": 3}]}, "moon_count_limit"),
        ({"regional_limits": [{"region_id": REGION, "vm_count_limit": -1}]}, "vm_count_limit"),
        ({"regional_limits": [{"region_id": 99, "vm_count_limit": 1}]}, "Region 99"),
        ({"regional_limits": [{"region_id": REGION, "vm_count_limit": "many"}]}, "regional_limits"),
    ],
)
async def test_an_invalid_limit_request_is_400(tenant: Tenant, limits: dict[str, Any], expected: str) -> None:
    answer = await tenant.api.post(REQUESTS, json={"description": "why", "requested_limits": limits})

    assert (answer.status_code in {400, 404}, expected in answer.text) == (True, True), answer.text


async def test_an_operator_sets_limits_directly(tenant: Tenant) -> None:
    await tenant.operator.put(f"/_pileus/quotas/{REGION}", json={"network_count_limit": 0})

    refused = await tenant.api.post(tenant.path("networks"), json={"name": "inside", "create_router": False})

    assert refused.json()["info"] == {
        "attribute": "network_count", "current_usage": 0, "requested_usage": 1, "limit": 0
    }  # fmt: skip
    order = {"flavor": "g1-standard-1-2", "interfaces": [{"type": "external"}], "volumes": [], "names": ["one"]}
    await tenant.operator.put(f"/_pileus/quotas/{REGION}", json={"vm_count_limit": 0})
    checked = await tenant.api.post(tenant.path("instances", "check_limits", version=2), json=order)
    assert checked.json()["vm_count_limit"] == 0


async def test_reaching_the_threshold_makes_a_notification(tenant: Tenant) -> None:
    path = f"/cloud/v2/client_quotas/{tenant.client_id}/notification_threshold"
    assert (await tenant.api.get(path)).status_code == 404
    assert (await tenant.api.put(path, json={"threshold": 50})).status_code == 400
    fresh = (await tenant.api.put(path, json={"threshold": 60})).json()
    assert fresh == {"client_id": tenant.client_id, "threshold": 60, "last_sending": None, "last_message": None}
    await tenant.operator.put(f"/_pileus/quotas/{REGION}", json={"servergroup_count_limit": 3})

    body = {"name": "apart", "policy": "affinity"}
    await tenant.api.post(tenant.path("servergroups"), json=body)
    assert (await tenant.api.get(path)).json()["last_message"] is None
    await tenant.api.post(tenant.path("servergroups"), json=body)

    view = (await tenant.api.get(path)).json()
    (region,) = view["last_message"]["regional_quotas"]
    assert (region["region_id"], region["servergroup_count_limit"]) == (REGION, {"usage": 2, "limit": 3})
    assert view["last_sending"] is not None
    await tenant.api.put(path, json={"threshold": 90})
    assert (await tenant.api.get(path)).json()["last_message"] == view["last_message"]
    assert (await tenant.api.delete(path)).status_code == 204
    assert (await tenant.api.get(path)).status_code == 404


async def test_the_official_sdk_uses_all_endpoints(tenant: Tenant) -> None:
    quotas = tenant.sdk.cloud.quotas

    await quotas.requests.create(
        description="more", requested_limits={"regional_limits": [{"region_id": REGION, "vm_count_limit": 99}]}
    )
    (request,) = [item async for item in quotas.requests.list()]
    limit_request = await quotas.requests.get(request_id=request.id)
    threshold = await quotas.notification_threshold.update(client_id=tenant.client_id, threshold=70)
    await quotas.notification_threshold.delete(client_id=tenant.client_id)
    await quotas.requests.delete(request_id=request.id)

    assert (limit_request.status, threshold.threshold) == ("in progress", 70)
