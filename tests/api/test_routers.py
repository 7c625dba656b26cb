"""Routers: interfaces, external gateways, routes, and what blocks a change."""

import asyncio
from typing import Any

import pytest
from gcore import BadRequestError

from pileus.domain.faults import FaultKind
from tests.builders import a_network, driver_of, inject_fault
from tests.networks import (
    a_router,
    create,
    find_router,
    get_external_network_id,
    get_view,
    list_names,
    list_router_interfaces,
    list_used_addresses,
)
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"
ROUTE = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}


async def test_a_router_is_created_with_interfaces_routes_and_gateway(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    body = {
        "external_gateway_info": {"type": "manual", "network_id": get_external_network_id(tenant), "enable_snat": False}
    }

    router = await create(tenant, "routers", interfaces=[{"subnet_id": subnet.id}], routes=[ROUTE], **body)

    assert (router["status"], router["routes"], router["task_id"]) == ("ACTIVE", [ROUTE], None)
    gateway = router["external_gateway_info"]
    assert (gateway["network_id"], gateway["enable_snat"]) == (get_external_network_id(tenant), False)
    assert router["interfaces"][0]["ip_assignments"] == [{"ip_address": "10.0.0.1", "subnet_id": subnet.id}]
    driver_record = await driver_of(tenant.running).find_router_with_nics(router["id"])
    assert driver_record is not None
    assert (driver_record[0].translates, [route.destination for route in driver_record[0].routes]) == (
        False,
        ["10.9.0.0/16"],
    )
    assert [nic.addresses for nic in driver_record[1].values()] == [["10.0.0.1"]]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"routes": [ROUTE]}, 400, "Nexthops: 10.0.0.7 are not connected with router"),
        ({"external_gateway_info": {"type": "manual"}}, 400, "Field required"),
        ({"external_gateway_info": {"type": "manual", "network_id": NOTHING}}, 404, "could not be found"),
        ({"interfaces": [{"subnet_id": "00000000-0000-4000-8000-000000000000"}]}, 404, "could not be found"),
        ({"name": "x"}, 400, "name"),
        ({"routes": [{"destination": "ten", "nexthop": "10.0.0.7"}]}, 400, "destination"),
    ],
)
async def test_invalid_routers_are_refused(tenant: Tenant, body: dict[str, Any], status: int, message: str) -> None:
    answer = await tenant.api.post(tenant.path("routers"), json={"name": "fresh", **body})

    assert (answer.status_code, message in answer.text) == (status, True)
    assert await list_names(tenant, "routers") == []


async def test_a_gateway_must_be_in_an_external_network(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    gateway = {"type": "manual", "network_id": network.id}

    answer = await tenant.api.post(tenant.path("routers"), json={"name": "fresh", "external_gateway_info": gateway})

    fields = {"external_gateway_info": {"network_id": [f"Network {network.id} is not an external one"]}}
    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, fields)


async def test_a_gateway_without_a_network_is_refused_by_its_path(tenant: Tenant) -> None:
    router = await a_router(tenant)
    fields = {"external_gateway_info": {"network_id": ["Field required"]}}

    for answer in (
        await tenant.api.patch(tenant.path("routers", router.id), json={"external_gateway_info": {}}),
        await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"external_gateway_info": {}}),
        await tenant.api.post(
            tenant.path("routers"), json={"name": "fresh", "external_gateway_info": {"type": "manual"}}
        ),
    ):
        assert answer.status_code == 400
        assert answer.json()["message"] == f"Validation Error: {fields}"
        assert answer.json()["invalid_fields"] == fields


async def test_the_quota_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, router_count=1)

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("routers"), json={"name": "one"}) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    (error, *_) = (answer.json() for answer in answers if answer.status_code == 400)
    assert (error["exception_class"], error["message"]) == (
        "QuotaLimitExceed",
        "Quota limit for router_count exceeded by 1",
    )
    assert error["info"] == {"attribute": "router_count", "current_usage": 1, "requested_usage": 2, "limit": 1}


async def test_a_subnet_is_attached_and_detached(tenant: Tenant) -> None:
    _, (subnet, other) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id)

    attached = await tenant.api.post(f"{path}/attach", json={"subnet_id": other.id, "ip_address": "10.0.1.9"})
    again = await tenant.api.post(f"{path}/attach", json={"subnet_id": other.id})
    detached = await tenant.api.post(f"{path}/detach", json={"subnet_id": other.id})
    detached_again = await tenant.api.post(f"{path}/detach", json={"subnet_id": other.id})

    assert [interface["ip_assignments"][0]["ip_address"] for interface in attached.json()["interfaces"]] == [
        "10.0.0.1",
        "10.0.1.9",
    ]
    message = f"Router already has a port on subnet {other.id}"
    assert (again.status_code, again.json()["exception_class"], again.json()["message"]) == (
        400,
        "ValidationError",
        message,
    )
    assert detached_again.status_code == 404
    assert [interface["ip_assignments"][0]["ip_address"] for interface in detached.json()["interfaces"]] == ["10.0.0.1"]
    assert await list_used_addresses(tenant, other.id) == set()
    driver_record = await driver_of(tenant.running).find_router_with_nics(router.id)
    assert driver_record is not None
    assert len(driver_record[1]) == 1


async def test_overlapping_subnets_cannot_be_attached(tenant: Tenant) -> None:
    _, (first,) = await a_network(tenant, "10.0.0.0/24")
    _, (other,) = await a_network(tenant, "10.0.0.0/25")
    router = await a_router(tenant, first)

    answer = await tenant.api.post(tenant.path("routers", router.id, "attach"), json={"subnet_id": other.id})

    assert (answer.status_code, "overlaps" in answer.json()["message"]) == (400, True)


async def test_concurrent_attachments_get_different_addresses(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    routers = [await a_router(tenant, with_gateway=False) for _ in range(4)]

    answers = await asyncio.gather(
        *(
            tenant.api.post(tenant.path("routers", router.id, "attach"), json={"subnet_id": subnet.id})
            for router in routers
        )
    )

    done = [answer.json() for answer in answers if answer.status_code == 200]
    addresses = {interface["ip_assignments"][0]["ip_address"] for router in done for interface in router["interfaces"]}
    assert len(addresses) == len(done) >= 1
    assert await list_used_addresses(tenant, subnet.id) == addresses


async def test_a_patch_changes_a_router_in_a_task(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id, version=2)

    task = await tenant.wait_until_finished(await tenant.api.patch(path, json={"name": "other", "routes": [ROUTE]}))
    assert (task["task_type"], task["data"]["router_id"]) == ("update_router", router.id)
    assert (await get_view(tenant, "routers", router.id))["routes"] == [ROUTE]
    assert (await tenant.api.patch(path, json={"name": "other"})).json() == {"tasks": []}

    await tenant.wait_until_finished(await tenant.api.patch(path, json={"external_gateway_info": None}))
    closed = await get_view(tenant, "routers", router.id)
    assert (closed["external_gateway_info"], closed["name"], closed["routes"]) == (None, "other", [ROUTE])
    assert len(await list_router_interfaces(tenant, router.id)) == 1

    gateway = {"type": "manual", "network_id": get_external_network_id(tenant)}
    await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"external_gateway_info": gateway, "routes": []})
    )
    opened = await get_view(tenant, "routers", router.id)
    assert (len(opened["external_gateway_info"]["external_fixed_ips"]), opened["routes"]) == (1, [])


async def test_version_1_of_patch_returns_the_router(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id)

    answer = await tenant.api.patch(path, json={"name": "other", "external_gateway_info": None})

    assert answer.json() == await get_view(tenant, "routers", router.id)
    assert (answer.json()["name"], bool(answer.json()["external_gateway_info"])) == ("other", True)


@pytest.mark.parametrize("gateway", [{"enable_snat": True}, {"type": "default"}])
async def test_a_gateway_of_the_default_kind_is_shown_without_its_type(tenant: Tenant, gateway: dict[str, Any]) -> None:
    router = await create(tenant, "routers", external_gateway_info=gateway)
    closed = await create(tenant, "routers")

    view = router["external_gateway_info"]
    assert view.keys() == {"network_id", "enable_snat", "external_fixed_ips"}
    assert (view["network_id"], view["enable_snat"]) == (get_external_network_id(tenant), True)
    assert [ip["ip_address"].startswith("198.18.") for ip in view["external_fixed_ips"]] == [True]
    assert closed["external_gateway_info"] is None


async def test_a_second_router_of_a_subnet_takes_a_free_address_of_it(tenant: Tenant) -> None:
    network = await create(tenant, "networks")
    subnet = await create(tenant, "subnets", network_id=network["id"], cidr="10.0.0.0/24")

    router = await create(tenant, "routers", interfaces=[{"subnet_id": subnet["id"]}])

    ((assignment,),) = (interface["ip_assignments"] for interface in router["interfaces"])
    assert assignment["subnet_id"] == subnet["id"]
    assert assignment["ip_address"] != subnet["gateway_ip"]
    assert (subnet["available_ips"], (await get_view(tenant, "subnets", subnet["id"]))["available_ips"]) == (251, 250)


async def test_an_update_of_routes_checks_their_next_hops(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    path = tenant.path("routers", (await a_router(tenant, subnet)).id)
    far = {**ROUTE, "nexthop": "10.7.0.1"}

    refused = await tenant.api.patch(path, json={"routes": [far]})
    routed = await tenant.api.patch(path, json={"routes": [ROUTE]})
    emptied = await tenant.api.patch(path, json={"routes": []})

    error = refused.json()
    assert (refused.status_code, error["message"]) == (400, "Nexthops: 10.7.0.1 are not connected with router")
    assert "invalid_fields" not in error
    assert [answer.status_code for answer in (routed, emptied)] == [200, 200]
    assert [answer.json()["routes"] for answer in (routed, emptied)] == [[ROUTE], []]


async def test_a_failed_update_changes_nothing(tenant: Tenant) -> None:
    router = await a_router(tenant)
    before, driver_record = (
        await get_view(tenant, "routers", router.id),
        await driver_of(tenant.running).find_router_with_nics(router.id),
    )
    await inject_fault(tenant, FaultKind.FAIL, "update_router")

    answer = await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"external_gateway_info": None})

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert (
        await get_view(tenant, "routers", router.id),
        await driver_of(tenant.running).find_router_with_nics(router.id),
    ) == (
        before,
        driver_record,
    )


async def test_a_subnet_that_a_route_uses_cannot_be_detached(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    await tenant.wait_until_finished(
        await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"routes": [ROUTE]})
    )

    with pytest.raises(BadRequestError, match="used by the route"):
        await tenant.sdk.cloud.networks.routers.detach_subnet(router_id=router.id, subnet_id=subnet.id)


async def test_a_deleted_router_releases_its_addresses(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("routers", router.id)))

    assert (task["task_type"], await find_router(tenant, router.id)) == ("delete_router", None)
    assert await list_used_addresses(tenant, subnet.id) == set()
    assert await driver_of(tenant.running).find_router_with_nics(router.id) is None


async def test_the_official_sdk_manages_routers(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    routers = tenant.sdk.cloud.networks.routers
    where: Any = {"project_id": tenant.project_id, "region_id": REGION}

    (task_id,) = (await routers.create(name="fresh", **where)).tasks
    task = await tenant.sdk.cloud.tasks.poll(task_id, polling_interval_seconds=0)
    assert task.created_resources is not None
    (router_id,) = task.created_resources.routers or []
    attached = await routers.attach_subnet(router_id=router_id, subnet_id=subnet.id, **where)
    detached = await routers.detach_subnet(router_id=router_id, subnet_id=subnet.id, **where)
    await routers.update(router_id=router_id, name="other", **where)

    assert (len(attached.interfaces), len(detached.interfaces)) == (1, 0)
    assert [router.id for router in (await routers.list(**where)).results] == [router_id]
