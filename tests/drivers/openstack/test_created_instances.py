"""Instances that a server creates in an OpenStack cloud: while services are stopped, without quota, in two clouds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pileus.drivers.openstack.names import engine_name
from tests.drivers.openstack.exchanges import ExchangeServer
from tests.drivers.openstack.installations import (
    clouds,
    delete_all,
    driver_of,
    list_remaining,
    new_subnet,
    order,
    tenant,
)
from tests.tenants import Tenant, new_tenant

__all__ = ["clouds", "tenant"]
SERVICES = {
    "identity": "/21410",
    "image": "/21412",
    "network": "/21413",
    "compute": "/21414",
    "block-storage": "/21415",
}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_creation_waits_for_a_stopped_service_and_goes_on(
    tenant: Tenant, cloud_server: ExchangeServer, service: str
) -> None:
    interface = await new_subnet(tenant)
    cloud_server.stopped, cloud_server.hides_past = {SERVICES[service]}, True
    if service == "identity":
        cloud_server.faults["POST /21415"] = 401

    task_id = await order(tenant, interface)
    await asyncio.to_thread(cloud_server.wait_for_refusals, 3)
    waiting = (await tenant.api.get(f"/cloud/v1/tasks/{task_id}")).json()
    cloud_server.stopped = set()
    task = await tenant.wait_for_task(task_id)

    assert waiting["state"] == "RUNNING"
    assert (task["state"], task["error"]) == ("FINISHED", None)
    (instance_id,) = task["created_resources"]["instances"]
    servers = await driver_of(tenant).cloud.get("compute", "/servers", tags=engine_name(instance_id))
    assert len(servers["servers"]) == 1
    await delete_all(tenant, [instance_id], interface["network_id"])
    assert await list_remaining(driver_of(tenant)) == []


async def test_an_expired_token_is_replaced(tenant: Tenant, cloud_server: ExchangeServer) -> None:
    interface = await new_subnet(tenant)
    tokens = sum("/auth/tokens" in key for key in cloud_server.received)
    cloud_server.faults = {"POST /21415": 401, "POST /21413": 401, "POST /21414": 401}

    task = await tenant.wait_for_task(await order(tenant, interface))

    assert (task["state"], cloud_server.faults) == ("FINISHED", {})
    assert sum("/auth/tokens" in key for key in cloud_server.received) == tokens + 3
    await delete_all(tenant, task["created_resources"]["instances"], interface["network_id"])


@pytest.mark.parametrize(
    ("service", "path", "quota", "names"),
    [
        ("compute", "/os-quota-sets/{project}", {"quota_set": {"instances": 0}}, "instances"),
        ("block-storage", "/os-quota-sets/{project}", {"quota_set": {"volumes": 0}}, "volumes"),
        ("network", "/quotas/{project}", {"quota": {"port": 0}}, "port"),
    ],
)
async def test_an_exceeded_quota_of_the_cloud_fails_the_creation_and_leaves_nothing(
    tenant: Tenant, service: str, path: str, quota: dict[str, dict[str, int]], names: str
) -> None:
    interface, cloud = await new_subnet(tenant), driver_of(tenant).cloud
    (project,) = [
        item for item in (await cloud.get("identity", "/auth/projects"))["projects"] if item["name"] == "admin"
    ]
    unlimited = {kind: dict.fromkeys(values, -1) for kind, values in quota.items()}
    await cloud.put(service, path.format(project=project["id"]), quota)
    try:
        task = await tenant.wait_for_task(await order(tenant, interface))
    finally:
        await cloud.put(service, path.format(project=project["id"]), unlimited)

    assert task["state"] == "ERROR"
    assert "OpenStack: " in task["error"]
    assert "uota" in task["error"]
    assert names in task["error"]
    await delete_all(tenant, [], interface["network_id"])
    assert await list_remaining(driver_of(tenant)) == []


async def test_one_server_has_regions_in_two_clouds(
    clouds: Callable[..., Any], cloud_server: ExchangeServer, other_cloud_server: ExchangeServer
) -> None:
    regions = {2: 'driver = "openstack"\ndriver_options = { cloud = "other" }'}
    async with clouds(regions, other=other_cloud_server) as cloud, new_tenant(cloud) as tenant:
        instance_ids = []
        for region_id, server, another in (
            (1, cloud_server, other_cloud_server),
            (2, other_cloud_server, cloud_server),
        ):
            interface = await new_subnet(tenant, region_id)
            task = await tenant.wait_for_task(await order(tenant, interface, region_id))
            assert (task["state"], task["error"]) == ("FINISHED", None)
            (instance_id,) = task["created_resources"]["instances"]
            name = engine_name(instance_id)
            assert any(name in key and key.startswith("POST /21414") for key in server.received)
            assert not any(name in key for key in another.received)
            instance_ids.append(instance_id)
            await delete_all(tenant, [instance_id], interface["network_id"], region_id)

        assert driver_of(tenant, 1) is not driver_of(tenant, 2)
        assert driver_of(tenant, 2).cloud.name == "other/RegionOne"
