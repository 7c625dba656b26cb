"""Floating IPs: create, assign, unassign, list and delete them."""

import asyncio
from typing import Any

import pytest
from gcore import BadRequestError

from pileus.domain.faults import FaultKind
from pileus.domain.network.ports import Port
from pileus.store import faults
from tests.builders import a_floating_ip, a_network, a_port, an_instance, driver_of, inject_fault, list_addresses
from tests.creations import count_resources, order_instance
from tests.networks import a_router, get_view
from tests.storage import set_quotas
from tests.tasks.address_scenarios import an_inner_port
from tests.tenants import REGION, Tenant


async def create_floating_ip(tenant: Tenant, **body: Any) -> dict[str, Any]:
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("floatingips"), json=body))
    return await get_view(tenant, "floatingips", task["created_resources"]["floatingips"][0])


async def addresses_shown_on(tenant: Tenant, port: Port) -> list[str]:
    """Return the addresses that an instance shows as floating."""
    instance = (await tenant.api.get(tenant.path("instances", port.instance_id or ""))).json()
    return [entry["addr"] for group in instance["addresses"].values() for entry in group if entry["type"] == "floating"]


async def test_a_floating_ip_is_created_with_and_without_a_port(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, await an_instance(tenant))
    router = await a_router(tenant, subnet)

    unassigned = await create_floating_ip(tenant, tags={"a": "b"})
    assigned = await create_floating_ip(tenant, port_id=port.id)

    assert (unassigned["status"], unassigned["port_id"], unassigned["fixed_ip_address"]) == ("DOWN", None, None)
    assert (unassigned["tags"][0]["key"], unassigned["task_id"], unassigned["created_at"][-5:]) == ("a", None, "+0000")
    assert (assigned["status"], assigned["port_id"], assigned["router_id"]) == ("ACTIVE", port.id, router.id)
    assert [assigned["fixed_ip_address"]] == await list_addresses(tenant, port)
    assert await addresses_shown_on(tenant, port) == [assigned["floating_ip_address"]]
    driver_record = await driver_of(tenant.running).find_floating_ip(assigned["id"])
    assert driver_record is not None
    assert (driver_record.port_id, driver_record.ip_address) == (port.id, assigned["floating_ip_address"])
    assert await driver_of(tenant.running).find_floating_ip(unassigned["id"]) is None


async def test_addresses_are_unique(tenant: Tenant, stranger: Tenant) -> None:
    created = await asyncio.gather(*(create_floating_ip(owner) for owner in (tenant, stranger) for _ in range(8)))

    assert len({view["floating_ip_address"] for view in created}) == 16


async def test_one_of_many_concurrent_assignments_to_a_port_succeeds(tenant: Tenant) -> None:
    port = await an_inner_port(tenant)
    paths = [tenant.path("floatingips", (await a_floating_ip(tenant)).id, version=2) for _ in range(4)]

    answers = await asyncio.gather(*(tenant.api.patch(path, json={"port_id": port.id}) for path in paths))
    for answer in answers:
        for task_id in answer.json().get("tasks", []):
            await tenant.wait_for_task(task_id)

    results = (await tenant.api.get(tenant.path("floatingips"), params={"port_ids": [port.id]})).json()["results"]
    assert len(results) == 1
    assert await addresses_shown_on(tenant, port) == [results[0]["floating_ip_address"]]
    driver_records = [await driver_of(tenant.running).find_floating_ip(path.rsplit("/", 1)[1]) for path in paths]
    assert [record.id for record in driver_records if record] == [results[0]["id"]]


async def test_the_quota_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, floating_count=2)

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("floatingips"), json={}) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 400, 400]


async def test_a_floating_ip_is_reassigned_kept_and_unassigned(tenant: Tenant) -> None:
    first, other = await an_inner_port(tenant), await an_inner_port(tenant)
    floating_ip = await a_floating_ip(tenant, first)
    path = tenant.path("floatingips", floating_ip.id, version=2)

    assert (await tenant.api.patch(path, json={"port_id": first.id})).json() == {"tasks": []}
    assert (await tenant.api.patch(path, json={"tags": {"x": None}})).json() == {"tasks": []}
    task = await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"port_id": other.id, "tags": {"a": "b"}})
    )
    assert (task["task_type"], task["data"]["floating_ip_id"]) == ("update_floating_ip", floating_ip.id)
    assert (await addresses_shown_on(tenant, first), await addresses_shown_on(tenant, other)) == (
        [],
        [floating_ip.floating_ip_address],
    )
    assert (await get_view(tenant, "floatingips", floating_ip.id))["tags"][0]["key"] == "a"

    await tenant.wait_until_finished(await tenant.api.patch(path, json={"port_id": None}))
    view = await get_view(tenant, "floatingips", floating_ip.id)
    assert (view["status"], view["port_id"], view["fixed_ip_address"]) == ("DOWN", None, None)
    assert await driver_of(tenant.running).find_floating_ip(floating_ip.id) is None
    assert (await tenant.api.patch(path, json={"port_id": None})).json() == {"tasks": []}


async def test_invalid_targets_are_refused(tenant: Tenant, stranger: Tenant) -> None:
    port = await an_inner_port(tenant)
    public = await a_port(tenant, None, await an_instance(tenant))
    theirs = await an_inner_port(stranger)
    await a_floating_ip(tenant, port)
    path = tenant.path("floatingips")

    for body, status, message in (
        ({"port_id": public.id}, 400, "public network"),
        ({"port_id": theirs.id}, 404, "could not be found"),
        ({"port_id": port.id}, 409, "already"),
        ({"port_id": port.id, "fixed_ip_address": "10.9.9.9"}, 400, "fixed_ip_address"),
        ({"port_id": "no"}, 400, "port_id"),
    ):
        answer = await tenant.api.post(path, json=body)
        assert (answer.status_code, message in answer.text) == (status, True), answer.text


@pytest.mark.parametrize("router", ["no router", "a router without gateway"])
async def test_a_port_without_a_way_to_an_external_network_gets_no_floating_ip(tenant: Tenant, router: str) -> None:
    network, (subnet,) = await a_network(tenant)
    if router != "no router":
        await a_router(tenant, subnet, with_gateway=False)
    instance = await an_instance(tenant)
    port, existing = await a_port(tenant, subnet, instance), await a_floating_ip(tenant)
    interface = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}
    before = await count_resources(tenant)

    with pytest.raises(BadRequestError) as refused:
        await tenant.sdk.cloud.floating_ips.create(port_id=port.id)
    path, body = tenant.path("floatingips", existing.id), {"port_id": port.id}
    answers = [
        await tenant.api.post(f"{path}/assign", json=body),
        await tenant.api.patch(tenant.path("floatingips", existing.id, version=2), json=body),
        await order_instance(tenant, interfaces=[{**interface, "floating_ip": {"source": "new"}}]),
        await order_instance(
            tenant,
            interfaces=[{**interface, "floating_ip": {"source": "existing", "existing_floating_id": existing.id}}],
        ),
    ]

    start = f"No external network is reachable from subnet(s): {subnet.id}. Therefore, cannot associate port "
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["message"] == f"{start}{port.id} with a floating IP."
    assert [(answer.status_code, answer.json()["exception_class"]) for answer in answers] == [
        (400, "ValidationError")
    ] * 4
    assert all(answer.json()["message"].startswith(start) for answer in answers)
    assert await count_resources(tenant) == before


async def test_a_failed_assignment_changes_nothing(tenant: Tenant) -> None:
    first, other = await an_inner_port(tenant), await an_inner_port(tenant)
    floating_ip = await a_floating_ip(tenant, first)
    before = await get_view(tenant, "floatingips", floating_ip.id)
    await inject_fault(tenant, FaultKind.FAIL, "update_floating_ip")

    answer = await tenant.api.patch(tenant.path("floatingips", floating_ip.id, version=2), json={"port_id": other.id})

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert await get_view(tenant, "floatingips", floating_ip.id) == before
    driver_record = await driver_of(tenant.running).find_floating_ip(floating_ip.id)
    assert driver_record is not None
    assert driver_record.port_id == first.id


async def test_a_port_deleted_meanwhile_gets_no_floating_ip(tenant: Tenant) -> None:
    port = await an_inner_port(tenant)
    floating_ip = await a_floating_ip(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "update_floating_ip")

    answer = await tenant.api.patch(tenant.path("floatingips", floating_ip.id, version=2), json={"port_id": port.id})
    locked = await tenant.api.delete(tenant.path("floatingips", floating_ip.id))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", port.instance_id or "")))
    await tenant.running.app_state.db.write(faults.remove_all)

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert locked.status_code == 409
    assert (await get_view(tenant, "floatingips", floating_ip.id))["port_id"] is None
    assert await driver_of(tenant.running).find_floating_ip(floating_ip.id) is None


async def test_version_1_assigns_and_unassigns(tenant: Tenant) -> None:
    port, floating_ip = await an_inner_port(tenant), await a_floating_ip(tenant)
    path = tenant.path("floatingips", floating_ip.id)

    assigned = await tenant.api.post(f"{path}/assign", json={"port_id": port.id})
    listed = (await tenant.api.get(tenant.path("availablefloatingips"))).json()
    unassigned = await tenant.api.post(f"{path}/unassign")

    assert (assigned.json()["port_id"], assigned.json()["status"]) == (port.id, "ACTIVE")
    assert (unassigned.json()["port_id"], unassigned.json()["status"]) == (None, "DOWN")
    assert listed == {"count": 0, "results": []}
    tagged = await tenant.api.patch(path, json={"tags": {"a": "b"}})
    assert tagged.json()["tags"][0]["key"] == "a"


async def test_lists_show_the_instances(tenant: Tenant, stranger: Tenant) -> None:
    port = await an_inner_port(tenant)
    assigned, unassigned = await a_floating_ip(tenant, port), await a_floating_ip(tenant)
    await a_floating_ip(stranger)
    await tenant.api.patch(tenant.path("floatingips", unassigned.id), json={"tags": {"env": "test"}})

    async def ids(**query: Any) -> set[str]:
        answer = (await tenant.api.get(tenant.path("floatingips"), params=query)).json()
        return {view["id"] for view in answer["results"]}

    (with_instance,) = (await tenant.api.get(tenant.path("floatingips"), params={"status": "ACTIVE"})).json()["results"]
    assert (with_instance["id"], with_instance["instance"]["id"]) == (assigned.id, port.instance_id)
    assert with_instance["loadbalancer"] is None
    assert await ids() == {assigned.id, unassigned.id}
    assert await ids(port_ids=[port.id]) == {assigned.id}
    assert await ids(tag_key=["env"]) == await ids(tag_key_value='{"env": "test"}') == {unassigned.id}


async def test_a_deleted_floating_ip_releases_its_address(tenant: Tenant) -> None:
    port = await an_inner_port(tenant)
    floating_ip = await a_floating_ip(tenant, port)

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("floatingips", floating_ip.id)))

    assert (task["task_type"], await addresses_shown_on(tenant, port)) == ("delete_fip", [])
    assert (await tenant.api.get(tenant.path("floatingips", floating_ip.id))).status_code == 404
    async with tenant.running.app_state.db.read() as tx:
        assert await tx.all("SELECT 1 FROM addresses WHERE ip = :ip", ip=floating_ip.floating_ip_address) == []


async def test_floating_ips_of_a_deleted_instance_are_unassigned(tenant: Tenant) -> None:
    port = await an_inner_port(tenant)
    floating_ip = await a_floating_ip(tenant, port)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", port.instance_id or "")))

    assert (await get_view(tenant, "floatingips", floating_ip.id))["status"] == "DOWN"
    assert await driver_of(tenant.running).find_floating_ip(floating_ip.id) is None


async def test_the_official_sdk_manages_floating_ips(tenant: Tenant) -> None:
    port, fips = await an_inner_port(tenant), tenant.sdk.cloud.floating_ips
    where: Any = {"project_id": tenant.project_id, "region_id": REGION, "polling_interval_seconds": 0}

    created = await fips.create_and_poll(**where)
    moved = await fips.update_and_poll(floating_ip_id=created.id, port_id=port.id, **where)
    same = await fips.update_and_poll(floating_ip_id=created.id, port_id=port.id, **where)
    del where["polling_interval_seconds"]

    assert (moved.port_id, same.port_id) == (port.id, port.id)
    assert [floating_ip.id async for floating_ip in fips.list(**where)] == [created.id]
    assert (await tenant.api.post(f"/cloud/v1/pricing/{tenant.place_path}/floating_ips", json={"count": 2})).json()[
        "price_per_month"
    ] > 0
    await fips.delete(floating_ip_id=created.id, **where)


async def test_older_clients_read_tags_under_their_names(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, await an_instance(tenant, name="web", creator_task_id="a-task"))
    await a_router(tenant, subnet)
    await create_floating_ip(tenant, port_id=port.id, tags={"a": "b"})

    (listed,) = (await tenant.api.get(tenant.path("floatingips"))).json()["results"]
    single = await get_view(tenant, "floatingips", listed["id"])

    for view in (listed, single):
        assert view["metadata"] == view["tags"]
        assert view["metadata"][0] == {"key": "a", "value": "b", "read_only": False}
        assert "metadata_detailed" not in view
    assert listed["instance"]["instance_name"] == listed["instance"]["name"] == "web"
    interfaces = (await tenant.api.get(tenant.path("instances", listed["instance"]["id"], "interfaces"))).json()
    details = [floating_ip for view in interfaces["results"] for floating_ip in view["floatingip_details"]]
    assert [(view["metadata"], view["project_id"]) for view in details] == [(single["tags"], tenant.project_id)]
