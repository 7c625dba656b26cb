"""Resources that somebody has deleted in OpenStack, and others that somebody has put there."""

import uuid
from typing import Any

import pytest

from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.inventory import InventoryKind
from pileus.tasks.missing_resources import MissingResources
from pileus.tasks.resource_repairs import ResourceRepairs
from tests.drivers.openstack.installations import clouds, driver_of, tenant, wait_for_started_tasks
from tests.tenants import REGION, Tenant

__all__ = ["clouds", "tenant"]
MOST_RUNS = 6


def missing_resources(tenant: Tenant) -> MissingResources:
    """Return what looks for missing resources of the region."""
    state = tenant.running.app_state
    repairs = ResourceRepairs(state.db, state.clock, state.new_ordered_id, state.wake_engine)
    return MissingResources(state.db, driver_of(tenant), repairs, [REGION])


async def create(tenant: Tenant, noun: str, kind: str, **order: Any) -> str:
    """Create a resource, and return its id."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(noun), json=order))
    (resource_id,) = task["created_resources"][kind]
    return str(resource_id)


async def create_resources(tenant: Tenant) -> dict[InventoryKind, str]:
    """Create one resource of each kind that OpenStack keeps without a machine."""
    network_id = await create(tenant, "networks", "networks", name="inside", create_router=True)
    subnet_id = await create(
        tenant,
        "subnets",
        "subnets",
        name="inside",
        network_id=network_id,
        cidr="10.7.0.0/24",
        connect_to_network_router=True,
    )
    order = {"type": "ip_address", "network_id": network_id, "ip_address": "10.7.0.50", "is_vip": True}
    port_id = await create(tenant, "reserved_fixed_ips", "ports", **order)
    group = {"security_group": {"name": "web", "security_group_rules": []}}
    answer = await tenant.api.post(tenant.path("securitygroups"), json=group)
    (router,) = (await tenant.api.get(tenant.path("routers"))).json()["results"]
    return {
        InventoryKind.NETWORKS: network_id,
        InventoryKind.SUBNETS: subnet_id,
        InventoryKind.ROUTERS: router["id"],
        InventoryKind.SECURITY_GROUPS: answer.json()["id"],
        InventoryKind.FLOATING_IPS: await create(
            tenant, "floatingips", "floatingips", port_id=port_id, fixed_ip_address="10.7.0.50"
        ),
        InventoryKind.VOLUMES: await create(
            tenant, "volumes", "volumes", source="new-volume", name="data", size=1, type_name="standard"
        ),
    }


async def delete_outside(tenant: Tenant, ids: dict[InventoryKind, str]) -> None:
    """Delete the resources in OpenStack, what uses others first."""
    driver = driver_of(tenant)
    await driver.ensure_no_floating_ip(ids[InventoryKind.FLOATING_IPS])
    await driver.ensure_no_router(ids[InventoryKind.ROUTERS])
    await driver.ensure_no_network(ids[InventoryKind.NETWORKS])
    await driver.ensure_no_security_group(ids[InventoryKind.SECURITY_GROUPS])
    await driver.ensure_no_volume(ids[InventoryKind.VOLUMES])


async def list_missing(tenant: Tenant, ids: dict[InventoryKind, str]) -> set[InventoryKind]:
    """Return the kinds whose resource OpenStack has not."""
    driver = driver_of(tenant)
    return {kind for kind, resource_id in ids.items() if resource_id not in await driver.list_resource_ids(kind)}


async def test_what_holds_no_data_is_made_again_and_a_volume_is_shown_as_failed(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    ids, missing = await create_resources(tenant), missing_resources(tenant)
    assert await list_missing(tenant, ids) == set()
    await delete_outside(tenant, ids)
    assert await list_missing(tenant, ids) == set(ids)

    for _ in range(MOST_RUNS):
        await missing.check_next_pages()
        tasks = await wait_for_started_tasks(tenant)

    assert await list_missing(tenant, ids) == {InventoryKind.VOLUMES}
    names = ("network", "subnet", "security_group", "router", "floating_ip")
    assert tasks == [(f"update_{name}", "FINISHED") for name in names]
    volume = (await tenant.api.get(tenant.path("volumes", ids[InventoryKind.VOLUMES]))).json()
    assert volume["status"] == "error"
    assert caplog.text.count("A resource is gone") == len(ids)
    interfaces = (await tenant.api.get(tenant.path("routers", ids[InventoryKind.ROUTERS]))).json()["interfaces"]
    router_ports = await driver_of(tenant).cloud.get("network", "/ports", device_owner="network:router_interface")
    assert {port["name"] for port in router_ports["ports"]} >= {engine_name(item["port_id"]) for item in interfaces}
    await delete_outside(tenant, ids)


async def test_what_has_no_record_is_reported_once_and_left_alone(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    driver, foreign_id = driver_of(tenant), str(uuid.uuid4())
    order = {"network": {"name": engine_name(foreign_id)}}
    network = (await driver.cloud.post("network", "/networks", order))["network"]
    missing = missing_resources(tenant)

    for _ in range(3):
        await missing.check_next_pages()

    reports = [record for record in caplog.records if getattr(record, "resource_id", None) == foreign_id]
    assert [record.getMessage() for record in reports] == ["A resource has no record: it is left alone"]
    assert foreign_id in await driver.list_resource_ids(InventoryKind.NETWORKS)
    await driver.cloud.delete("network", f"/networks/{network['id']}")
