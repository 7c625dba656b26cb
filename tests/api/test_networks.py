"""Networks: create, list, change and delete them, with subnets and routers."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from pileus.store import faults
from pileus.store.network import router_interfaces
from tests.builders import a_network, a_port, an_instance, driver_of, inject_fault
from tests.networks import (
    a_router,
    create,
    find_network,
    find_router,
    find_subnet,
    get_external_network_id,
    get_view,
    list_names,
    list_router_interfaces,
)
from tests.storage import list_user_actions, set_quotas
from tests.tenants import Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"


async def test_a_network_is_created_with_a_router_and_external_gateway(tenant: Tenant) -> None:
    body = {"name": "inside", "tags": {"a": "b"}}

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("networks"), json=body))

    ((network_id,), (router_id,)) = (task["created_resources"][noun] for noun in ("networks", "routers"))
    network, router = await get_view(tenant, "networks", network_id), await get_view(tenant, "routers", router_id)
    assert (task["task_type"], task["data"]["network_id"]) == ("create_network", network_id)
    assert (network["name"], network["type"], network["mtu"], network["subnets"]) == ("inside", "vxlan", 1500, [])
    assert (network["external"], network["shared"], network["default"]) == (False, False, None)
    assert (network["task_id"], network["creator_task_id"]) == (None, task["id"])
    assert (network["port_security_enabled"], network["metadata"]) == (True, network["tags"])
    assert (network["project_id"], network["created_at"][-5:]) == (tenant.project_id, "+0000")
    assert network["tags"] == [{"key": "a", "value": "b", "read_only": False}]
    assert (router["name"], router["status"], router["interfaces"]) == ("inside_router", "ACTIVE", [])
    gateway = router["external_gateway_info"]
    assert (gateway["network_id"], gateway["enable_snat"]) == (get_external_network_id(tenant), True)
    assert [ip["ip_address"].startswith("198.18.") for ip in gateway["external_fixed_ips"]] == [True]
    driver_record = await driver_of(tenant.running).find_network_with_subnets(network_id)
    assert driver_record is not None
    assert (driver_record[0].name, driver_record[0].segmentation_id) == ("inside", network["segmentation_id"])
    driver_router = await driver_of(tenant.running).find_router_with_nics(router_id)
    assert driver_router is not None
    assert driver_router[0].outside is not None
    assert driver_router[0].outside.addresses == [ip["ip_address"] for ip in gateway["external_fixed_ips"]]


async def test_a_network_is_created_without_a_router(tenant: Tenant) -> None:
    body = {"name": "inside", "create_router": False, "type": "vlan"}

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("networks"), json=body))

    assert task["created_resources"]["routers"] == []
    network = await get_view(tenant, "networks", task["created_resources"]["networks"][0])
    assert (network["type"], network["mtu"]) == ("vlan", 1500)
    assert 1 <= network["segmentation_id"] <= 4094
    assert await list_names(tenant, "routers") == []


async def test_concurrently_created_networks_have_different_segments(tenant: Tenant) -> None:
    bodies = [{"create_router": False, "type": kind} for kind in ("vlan", "vxlan") for _ in range(10)]

    networks = await asyncio.gather(*(create(tenant, "networks", **body) for body in bodies))

    assert len({(network["type"], network["segmentation_id"]) for network in networks}) == 20


@pytest.mark.parametrize(
    ("body", "field"),
    [({"name": "x"}, "name"), ({"type": "gre"}, "type"), ({"tags": {"a b": "c"}}, "tags"),
     ({"create_router": "perhaps"}, "create_router")],
)  # fmt: skip
async def test_an_invalid_network_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post(tenant.path("networks"), json={"name": "inside", **body})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


@pytest.mark.parametrize("step", ["create the network", "create the router"])
async def test_a_failed_creation_leaves_nothing(tenant: Tenant, step: str) -> None:
    await inject_fault(tenant, FaultKind.FAIL, "create_network", step)

    answer = await tenant.api.post(tenant.path("networks"), json={"name": "inside", "tags": {"a": "b"}})

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert (await list_names(tenant, "networks"), await list_names(tenant, "routers")) == ([], [])


@pytest.mark.parametrize("quota", ["network_count", "router_count"])
async def test_concurrent_creations_respect_the_quota(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, quota: str
) -> None:
    set_quotas(tenant, monkeypatch, **{quota: 2})

    answers = await asyncio.gather(
        *(tenant.api.post(tenant.path("networks"), json={"name": "inside"}) for _ in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [400] * 3
    (refused, *_) = (answer.json() for answer in answers if answer.status_code == 400)
    assert (refused["exception_class"], refused["info"]["attribute"]) == ("QuotaLimitExceed", quota)
    for answer in answers:
        if answer.status_code == 200:
            await tenant.wait_until_finished(answer)


async def test_lists_show_own_networks_or_all_usable_ones(tenant: Tenant, stranger: Tenant) -> None:
    await a_network(tenant, name="one", created_at=1)
    await a_network(tenant, name="two", created_at=2, type="vlan")
    await a_network(stranger, name="theirs")
    lent, _ = await a_network(stranger, name="lent", shared=True, created_at=3)

    assert await list_names(tenant, "networks") == ["two", "one"]
    assert set(await list_names(tenant, "networks", owned_by="any")) >= {"one", "two", "lent", "pub_net"}
    assert "theirs" not in await list_names(tenant, "networks", owned_by="any")
    assert await list_names(tenant, "networks", owned_by="any", external=True) == ["pub_net"]
    assert await list_names(tenant, "networks", external=True) == []
    assert await list_names(tenant, "networks", name="one") == ["one"]
    assert await list_names(tenant, "networks", name="on") == []
    assert await list_names(tenant, "networks", network_type="vlan") == ["two"]
    for order, names in {
        "name.asc": ["one", "two"],
        "created_at.asc": ["one", "two"],
        "priority.desc": ["two", "one"],
    }.items():
        assert await list_names(tenant, "networks", order_by=order) == names
    page = (await tenant.api.get(tenant.path("networks"), params={"limit": 1, "offset": 1})).json()
    assert (page["count"], [view["name"] for view in page["results"]]) == (2, ["one"])
    assert (await tenant.api.get(tenant.path("networks"), params={"order_by": "size.asc"})).status_code == 400
    view = await get_view(tenant, "networks", lent.id)
    assert (view["shared"], view["name"], len(view["subnets"])) == (True, "lent", 1)
    await stranger.api.delete(stranger.path("networks", lent.id))


async def test_tags_find_networks(tenant: Tenant) -> None:
    for name, tags in {"one": {"env": "test", "a": "1"}, "two": {"env": "test"}, "three": {"env": "live"}}.items():
        await create(tenant, "networks", name=name, tags=tags, create_router=False)

    assert set(await list_names(tenant, "networks", tag_key=["env", "a"])) == {"one"}
    assert set(await list_names(tenant, "networks", tag_key_value='{"env": "test"}')) == {"one", "two"}
    assert set(await list_names(tenant, "availablenetworks", tag_key_value='{"env": "live"}')) == {"three"}
    assert (await tenant.api.get(tenant.path("networks"), params={"tag_key_value": "x"})).status_code == 400


async def test_the_legacy_list_shows_networks_with_subnets(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    await a_port(tenant, subnet)
    path = tenant.path("availablenetworks")

    (view,) = (await tenant.api.get(path, params={"network_id": network.id})).json()["results"]

    assert view["subnets"] == [await get_view(tenant, "subnets", subnet.id)]
    assert (view["subnets"][0]["total_ips"], view["subnets"][0]["available_ips"]) == (253, 250)
    assert {"inside", "pub_net"} <= set(await list_names(tenant, "availablenetworks"))
    assert await list_names(tenant, "availablenetworks", external=True, shared=False) == ["pub_net"]


async def test_a_rename_and_tags_are_a_merge_patch_in_a_task(tenant: Tenant) -> None:
    network = await create(tenant, "networks", tags={"a": "1", "b": "2"}, create_router=False)
    path = tenant.path("networks", network["id"], version=2)

    task = await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"name": "other", "tags": {"a": None, "c": "3"}})
    )

    view = await get_view(tenant, "networks", network["id"])
    assert (task["task_type"], task["created_resources"]) == ("update_network", None)
    assert task["data"] == {"network_id": network["id"], "name": "other", "tags": {"a": None, "c": "3"}}
    assert (view["name"], view["task_id"]) == ("other", None)
    assert {tag["key"]: tag["value"] for tag in view["tags"]} == {"b": "2", "c": "3"}
    driver_record = await driver_of(tenant.running).find_network_with_subnets(network["id"])
    assert driver_record is not None
    assert driver_record[0].name == "other"
    for same in ({}, {"name": "other"}, {"tags": {"b": "2", "x": None}}):
        assert (await tenant.api.patch(path, json=same)).json() == {"tasks": []}
    await tenant.wait_until_finished(await tenant.api.patch(path, json={"tags": None}))
    assert (await get_view(tenant, "networks", network["id"]))["tags"] == []
    assert (await tenant.api.patch(path, json={"name": "x"})).status_code == 400


async def test_version_1_of_patch_returns_the_network(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    path = tenant.path("networks", network.id)

    answer = await tenant.api.patch(path, json={"name": "other", "tags": {"a": "b"}})

    assert answer.json() == await get_view(tenant, "networks", network.id)
    assert (answer.json()["name"], answer.json()["tags"][0]["key"]) == ("other", "a")
    assert (await tenant.api.patch(path, json={})).json()["name"] == "other"
    await inject_fault(tenant, FaultKind.FAIL, "update_network")
    assert (await tenant.api.patch(path, json={"name": "third"})).json()["name"] == "other"


async def test_a_locked_network_cannot_be_changed(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    path = tenant.path("networks", network.id)
    await inject_fault(tenant, FaultKind.HOLD, "update_network")

    answer = await tenant.api.patch(tenant.path("networks", network.id, version=2), json={"name": "other"})

    view = await get_view(tenant, "networks", network.id)
    assert ([view["task_id"]], view["name"]) == (answer.json()["tasks"], "inside")
    body = {"name": "fresh", "network_id": network.id, "cidr": "10.1.0.0/24"}
    for refused in (
        await tenant.api.patch(path, json={"name": "third"}),
        await tenant.api.delete(path),
        await tenant.api.post(f"{path}/metadata", json={"a": "b"}),
        await tenant.api.post(tenant.path("subnets"), json=body),
    ):
        assert (refused.status_code, "locked" in refused.json()["message"]) == (409, True)
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)
    assert subnet.network_id == network.id


async def test_a_network_is_deleted_with_its_subnets_and_its_router(tenant: Tenant) -> None:
    network = await create(tenant, "networks", tags={"a": "b"})
    subnet = await create(tenant, "subnets", network_id=network["id"], cidr="10.0.0.0/24")
    (router,) = (await tenant.api.get(tenant.path("routers"))).json()["results"]

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("networks", network["id"])))

    assert (task["task_type"], task["data"]) == ("delete_network", {"network_id": network["id"]})
    assert [await find_network(tenant, network["id"]), await find_subnet(tenant, subnet["id"])] == [None, None]
    assert await find_router(tenant, router["id"]) is None
    driver = driver_of(tenant.running)
    assert (
        await driver.find_network_with_subnets(network["id"]),
        await driver.find_router_with_nics(router["id"]),
    ) == (None, None)
    async with tenant.running.app_state.db.read() as tx:
        assert await tx.all("SELECT key FROM tags WHERE resource_id = :id", id=network["id"]) == []


async def test_a_router_with_other_networks_is_not_deleted(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    _, (elsewhere,) = await a_network(tenant, "10.7.0.0/24")
    router = await a_router(tenant, subnet, elsewhere, network_id=network.id)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("networks", network.id)))

    view = await get_view(tenant, "routers", router.id)
    assert [interface["network_id"] for interface in view["interfaces"]] == [elsewhere.network_id]
    driver_record = await driver_of(tenant.running).find_router_with_nics(router.id)
    assert driver_record is not None
    assert [nic.network_id for nic in driver_record[1].values()] == [elsewhere.network_id]
    stored = await find_router(tenant, router.id)
    assert stored is not None
    assert stored.network_id is None


async def test_a_network_with_ports_cannot_be_deleted(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    await a_port(tenant, subnet)

    answer = await tenant.api.delete(tenant.path("networks", network.id))

    assert (answer.status_code, "has ports" in answer.json()["message"]) == (409, True)


async def test_a_network_that_a_route_uses_cannot_be_deleted(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    _, (elsewhere,) = await a_network(tenant, "10.7.0.0/24")
    router = await a_router(tenant, subnet, elsewhere)
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}
    await tenant.wait_until_finished(
        await tenant.api.patch(tenant.path("routers", router.id, version=2), json={"routes": [route]})
    )

    answer = await tenant.api.delete(tenant.path("networks", network.id))

    assert (answer.status_code, "used by the route" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("step", ["remove router interfaces", "delete the router", "delete the network"])
async def test_a_failed_deletion_changes_nothing(tenant: Tenant, step: str) -> None:
    network, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet, network_id=network.id)
    driver = driver_of(tenant.running)
    network_record, router_record = (
        await driver.find_network_with_subnets(network.id),
        await driver.find_router_with_nics(router.id),
    )
    await inject_fault(tenant, FaultKind.FAIL, "delete_network", step)

    answer = await tenant.api.delete(tenant.path("networks", network.id))

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert (await driver.find_network_with_subnets(network.id), await driver.find_router_with_nics(router.id)) == (
        network_record,
        router_record,
    )
    for noun, identity in (("networks", network.id), ("subnets", subnet.id), ("routers", router.id)):
        assert (await get_view(tenant, noun, identity))["task_id"] is None
    assert len(await list_router_interfaces(tenant, router.id)) == 2


async def test_shared_and_external_networks_cannot_be_changed(tenant: Tenant, stranger: Tenant) -> None:
    lent, (subnet,) = await a_network(stranger, shared=True)
    body = {"name": "fresh", "network_id": lent.id, "cidr": "10.1.0.0/24"}
    tag = {"a": "b"}

    for network_id in (lent.id, get_external_network_id(tenant)):
        path = tenant.path("networks", network_id)
        assert (await tenant.api.get(f"{path}/metadata")).status_code == 200
        for refused in (
            await tenant.api.patch(path, json={"name": "mine"}),
            await tenant.api.delete(path),
            await tenant.api.post(f"{path}/metadata", json=tag),
            await tenant.api.put(f"{path}/metadata", json=tag),
            await tenant.api.post(tenant.path("subnets"), json={**body, "network_id": network_id}),
        ):
            assert (refused.status_code, refused.json()["exception_class"]) == (403, "ForbiddenError")
    path = tenant.path("subnets", subnet.id)
    assert (await tenant.api.patch(path, json={"name": "mine"})).status_code == 403
    assert (await tenant.api.delete(path)).status_code == 403
    await stranger.wait_until_finished(await stranger.api.delete(stranger.path("networks", lent.id)))


async def test_networks_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    network, _ = await a_network(tenant)
    path = stranger.path("networks", network.id)

    assert await list_names(stranger, "networks") == []
    for answer in (
        await stranger.api.get(path),
        await stranger.api.delete(path),
        await stranger.api.get(f"{path}/ports"),
    ):
        assert (answer.status_code, answer.json()["message"]) == (404, f"Network {network.id} could not be found")


async def test_the_ports_of_a_network_are_listed_with_their_instances(tenant: Tenant, stranger: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    instance = await an_instance(tenant)
    port = await a_port(tenant, subnet, instance)
    await a_port(tenant, subnet)
    await an_instance(stranger)

    inside = (await tenant.api.get(tenant.path("networks", network.id, "ports"))).json()
    public = (await tenant.api.get(tenant.path("networks", get_external_network_id(tenant), "ports"))).json()

    assert inside == {
        "count": 1,
        "results": [{"id": port.id, "instance_id": instance.id, "instance_name": instance.name}],
    }
    assert [port["instance_id"] for port in public["results"]] == [instance.id]


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    network = await create(tenant, "networks", create_router=False)
    path = tenant.path("networks", network["id"])
    await tenant.api.patch(path, json={"name": "other"})
    await tenant.api.post(f"{path}/metadata", json={"a": "b"})
    await tenant.wait_until_finished(await tenant.api.delete(path))

    entries = await list_user_actions(tenant)
    assert {entry.api_group for entry in entries} == {"network"}
    assert [entry.action_type for entry in entries] == ["create", "update", "update_metadata", "delete"]


async def test_legacy_fields_show_tags(tenant: Tenant) -> None:
    network = await create(tenant, "networks", metadata={"a": "b"}, create_router=False)
    subnet = await create(tenant, "subnets", network_id=network["id"], cidr="10.0.0.0/24", metadata={"c": "d"})

    for noun, identity in (("networks", network["id"]), ("subnets", subnet["id"])):
        view = await get_view(tenant, noun, identity)
        assert (view["metadata"], len(view["tags"])) == (view["tags"], 1)
    (details,) = (await tenant.api.get(tenant.path("availablenetworks"), params={"name": "fresh"})).json()["results"]
    assert (details["metadata"], details["subnets"][0]["metadata"][0]["key"]) == (details["tags"], "c")


async def test_a_deleted_project_loses_its_networks_and_routers(tenant: Tenant) -> None:
    project = (await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"})).json()
    tenant.project_id = project["id"]
    network = await create(tenant, "networks")
    await create(tenant, "subnets", network_id=network["id"], cidr="10.0.0.0/24")
    (router,) = (await tenant.api.get(tenant.path("routers"))).json()["results"]

    await tenant.wait_until_finished(await tenant.api.delete(f"/cloud/v1/projects/{project['id']}"))

    driver = driver_of(tenant.running)
    assert (
        await driver.find_network_with_subnets(network["id"]),
        await driver.find_router_with_nics(router["id"]),
    ) == (None, None)
    async with tenant.running.app_state.db.read() as tx:
        assert await router_interfaces.TABLE.find(tx, "router_id = :id", id=router["id"]) == []
