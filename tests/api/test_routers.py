"""Routers: what they join, where they lead, and what cannot be taken from under them."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from tests.builders import a_network, disturb, driver_of
from tests.networks import a_router, in_use, legs_of, listed, made, outside_of, router_now, seen
from tests.storage import allow
from tests.tenants import REGION, Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"
ROUTE = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}


async def test_a_router_is_made_with_interfaces_routes_and_a_way_out(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    body = {"external_gateway_info": {"type": "manual", "network_id": outside_of(tenant), "enable_snat": False}}

    router = await made(tenant, "routers", interfaces=[{"subnet_id": subnet.id}], routes=[ROUTE], **body)

    assert (router["status"], router["routes"], router["task_id"]) == ("ACTIVE", [ROUTE], None)
    gateway = router["external_gateway_info"]
    assert (gateway["network_id"], gateway["enable_snat"]) == (outside_of(tenant), False)
    assert router["interfaces"][0]["ip_assignments"] == [{"ip_address": "10.0.0.1", "subnet_id": subnet.id}]
    told = driver_of(tenant.running).router(router["id"])
    assert told is not None
    assert (told[0].translates, [route.destination for route in told[0].routes]) == (False, ["10.9.0.0/16"])
    assert [nic.addresses for nic in told[1].values()] == [["10.0.0.1"]]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"routes": [ROUTE]}, 400, "in no subnet of the router"),
        ({"external_gateway_info": {"type": "manual"}}, 400, "Field required"),
        ({"external_gateway_info": {"type": "manual", "network_id": NOTHING}}, 404, "could not be found"),
        ({"interfaces": [{"subnet_id": "00000000-0000-4000-8000-000000000000"}]}, 404, "could not be found"),
        ({"name": "x"}, 400, "name"),
        ({"routes": [{"destination": "ten", "nexthop": "10.0.0.7"}]}, 400, "destination"),
    ],
)
async def test_what_a_router_cannot_be_is_told(tenant: Tenant, body: dict[str, Any], status: int, told: str) -> None:
    answer = await tenant.api.post(tenant.path("routers"), json={"name": "fresh", **body})

    assert (answer.status_code, told in answer.text) == (status, True)
    assert await listed(tenant, "routers") == []


async def test_no_way_out_leads_into_a_network_of_the_projects_own(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    gateway = {"type": "manual", "network_id": network.id}

    answer = await tenant.api.post(tenant.path("routers"), json={"name": "fresh", "external_gateway_info": gateway})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["network_id"])


async def test_the_quota_is_kept(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(tenant, monkeypatch, router_count=1)

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("routers"), json={"name": "one"}) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 403, 403]


async def test_a_subnet_is_attached_and_detached(tenant: Tenant) -> None:
    _, (subnet, other) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id)

    attached = await tenant.api.post(f"{path}/attach", json={"subnet_id": other.id, "ip_address": "10.0.1.9"})
    again = await tenant.api.post(f"{path}/attach", json={"subnet_id": other.id})
    detached = await tenant.api.post(f"{path}/detach", json={"subnet_id": other.id})
    gone = await tenant.api.post(f"{path}/detach", json={"subnet_id": other.id})

    assert [each["ip_assignments"][0]["ip_address"] for each in attached.json()["interfaces"]] == [
        "10.0.0.1",
        "10.0.1.9",
    ]
    assert (again.status_code, gone.status_code) == (409, 409)
    assert [each["ip_assignments"][0]["ip_address"] for each in detached.json()["interfaces"]] == ["10.0.0.1"]
    assert await in_use(tenant, other.id) == set()
    told = driver_of(tenant.running).router(router.id)
    assert told is not None
    assert len(told[1]) == 1


async def test_ranges_that_overlap_are_not_joined(tenant: Tenant) -> None:
    _, (one,) = await a_network(tenant, "10.0.0.0/24")
    _, (other,) = await a_network(tenant, "10.0.0.0/25")
    router = await a_router(tenant, one)

    answer = await tenant.api.post(tenant.path("routers", router.id, "attach"), json={"subnet_id": other.id})

    assert (answer.status_code, "overlaps" in answer.json()["message"]) == (400, True)


async def test_routers_that_join_one_subnet_at_once_have_addresses_of_their_own(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    routers = [await a_router(tenant, leads_out=False) for _ in range(4)]

    answers = await asyncio.gather(
        *(tenant.api.post(tenant.path("routers", each.id, "attach"), json={"subnet_id": subnet.id}) for each in routers)
    )

    done = [answer.json() for answer in answers if answer.status_code == 200]
    addresses = {each["ip_assignments"][0]["ip_address"] for router in done for each in router["interfaces"]}
    assert len(addresses) == len(done) >= 1
    assert await in_use(tenant, subnet.id) == addresses


async def test_a_patch_changes_a_router_in_a_task(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id, version=2)

    task = await tenant.finished(await tenant.api.patch(path, json={"name": "other", "routes": [ROUTE]}))
    assert (task["task_type"], task["data"]["router_id"]) == ("update_router", router.id)
    assert (await seen(tenant, "routers", router.id))["routes"] == [ROUTE]
    assert (await tenant.api.patch(path, json={"name": "other"})).json() == {"tasks": []}

    await tenant.finished(await tenant.api.patch(path, json={"external_gateway_info": None}))
    closed = await seen(tenant, "routers", router.id)
    assert (closed["external_gateway_info"], closed["name"], closed["routes"]) == (None, "other", [ROUTE])
    assert len(await legs_of(tenant, router.id)) == 1

    way = {"type": "manual", "network_id": outside_of(tenant)}
    await tenant.finished(await tenant.api.patch(path, json={"external_gateway_info": way, "routes": []}))
    opened = await seen(tenant, "routers", router.id)
    assert (len(opened["external_gateway_info"]["external_fixed_ips"]), opened["routes"]) == (1, [])


async def test_the_older_patch_answers_with_the_router(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id)

    answer = await tenant.api.patch(path, json={"name": "other", "external_gateway_info": None})

    assert answer.json() == await seen(tenant, "routers", router.id)
    assert (answer.json()["name"], bool(answer.json()["external_gateway_info"])) == ("other", True)


async def test_a_change_that_fails_leaves_the_router_as_it_was(tenant: Tenant) -> None:
    router = await a_router(tenant)
    before, told = await seen(tenant, "routers", router.id), driver_of(tenant.running).router(router.id)
    await disturb(tenant, FaultKind.FAIL, "update_router")

    answer = await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"external_gateway_info": None})

    assert (await tenant.ended(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert (await seen(tenant, "routers", router.id), driver_of(tenant.running).router(router.id)) == (before, told)


async def test_a_subnet_that_a_route_uses_is_not_detached(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    await tenant.finished(
        await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"routes": [ROUTE]})
    )

    answer = await tenant.api.post(tenant.path("routers", router.id, "detach"), json={"subnet_id": subnet.id})

    assert (answer.status_code, "used by the route" in answer.json()["message"]) == (409, True)


async def test_a_deleted_router_frees_its_addresses(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)

    task = await tenant.finished(await tenant.api.delete(tenant.path("routers", router.id)))

    assert (task["task_type"], await router_now(tenant, router.id)) == ("delete_router", None)
    assert await in_use(tenant, subnet.id) == set()
    assert driver_of(tenant.running).router(router.id) is None


async def test_the_official_sdk_makes_and_changes_routers(tenant: Tenant) -> None:
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
    assert [each.id for each in (await routers.list(**where)).results] == [router_id]
