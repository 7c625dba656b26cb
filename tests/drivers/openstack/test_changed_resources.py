"""Rules and ports that somebody has changed in OpenStack are set again, on the recorded double."""

from typing import Any

from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.names import engine_name
from pileus.tasks.changed_resources import ChangedResources
from pileus.tasks.resource_repairs import ResourceRepairs
from tests.drivers.openstack.installations import (
    clouds,
    delete_all,
    driver_of,
    new_subnet,
    order,
    tenant,
    wait_for_started_tasks,
)
from tests.tenants import REGION, Tenant

__all__ = ["clouds", "tenant"]


def changed_resources(tenant: Tenant) -> ChangedResources:
    """Return what looks for changed resources of the region."""
    state = tenant.running.app_state
    repairs = ResourceRepairs(state.db, state.clock, state.new_ordered_id, state.wake_engine)
    return ChangedResources(state.db, driver_of(tenant), repairs, [REGION])


async def find_one(tenant: Tenant, kind: str, path: str, **params: str) -> Json:
    """Return the only resource of the network service with these fields."""
    (item,) = (await driver_of(tenant).cloud.get("network", path, **params))[kind]
    return dict(item)


async def test_rules_that_are_added_and_removed_in_the_cloud_are_set_again(tenant: Tenant) -> None:
    cloud, changed = driver_of(tenant).cloud, changed_resources(tenant)
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    body = {"security_group": {"name": "web", "security_group_rules": [rule]}}
    group_id = (await tenant.api.post(tenant.path("securitygroups"), json=body)).json()["id"]
    engine_group = await find_one(tenant, "security_groups", "/security-groups", name=engine_name(group_id))
    await changed.check_next_pages()
    intended = rules_of(engine_group)

    foreign = {"security_group_id": engine_group["id"], "direction": "ingress", "protocol": "icmp"}
    await cloud.post("network", "/security-group-rules", {"security_group_rule": foreign})
    await cloud.delete("network", f"/security-group-rules/{engine_group['security_group_rules'][0]['id']}")
    await changed.check_next_pages()
    assert await wait_for_started_tasks(tenant) == []
    await changed.check_next_pages()

    assert await wait_for_started_tasks(tenant) == [("update_security_group", "FINISHED")]
    assert (
        rules_of(await find_one(tenant, "security_groups", "/security-groups", name=engine_name(group_id))) == intended
    )
    await changed.check_next_pages()
    assert len(await wait_for_started_tasks(tenant)) == 1
    await tenant.api.delete(tenant.path("securitygroups", group_id))


def rules_of(group: Json) -> list[tuple[Any, ...]]:
    """Return what the rules of a group allow."""
    return sorted(
        (rule["direction"], rule["protocol"] or "", rule["port_range_min"] or 0)
        for rule in group["security_group_rules"]
    )


async def test_a_port_that_is_opened_or_deleted_in_the_cloud_is_set_again(tenant: Tenant) -> None:
    cloud, changed = driver_of(tenant).cloud, changed_resources(tenant)
    interface = await new_subnet(tenant)
    task = await tenant.wait_for_task(await order(tenant, interface))
    (instance_id,) = task["created_resources"]["instances"]
    interfaces = (await tenant.api.get(tenant.path("instances", instance_id, "interfaces"))).json()["results"]
    port_id = interfaces[0]["port_id"]
    for _ in range(2):
        await changed.check_next_pages()
    assert await wait_for_started_tasks(tenant) == []
    before = await find_one(tenant, "ports", "/ports", name=engine_name(port_id))

    # Somebody opens the port to everybody.
    open_to_all = {"security_groups": [], "port_security_enabled": False}
    await cloud.put("network", f"/ports/{before['id']}", {"port": open_to_all})
    for _ in range(2):
        await changed.check_next_pages()
    assert await wait_for_started_tasks(tenant) == [("update_port", "FINISHED")]
    closed = await find_one(tenant, "ports", "/ports", name=engine_name(port_id))
    assert closed["port_security_enabled"]
    assert closed["security_groups"] == before["security_groups"]

    await changed.check_next_pages()

    # Somebody deletes the port.
    await cloud.delete("network", f"/ports/{before['id']}")
    for _ in range(2):
        await changed.check_next_pages()
    assert await wait_for_started_tasks(tenant) == [("update_port", "FINISHED")] * 2
    again = await find_one(tenant, "ports", "/ports", name=engine_name(port_id))
    assert again["id"] != before["id"]
    assert (again["device_id"], again["mac_address"]) == (before["device_id"], before["mac_address"])
    assert [item["ip_address"] for item in again["fixed_ips"]] == [item["ip_address"] for item in before["fixed_ips"]]
    await delete_all(tenant, [instance_id], interface["network_id"])
