"""Methods of the official SDK that no other test uses."""

from typing import Any

import pytest

from tests.builders import a_floating_ip, a_network, a_security_group, an_instance
from tests.networks import a_router
from tests.storage import a_lifecycle_policy
from tests.tasks.address_scenarios import an_inner_port
from tests.tenants import Tenant


async def wait_finished(tenant: Tenant, answer: Any) -> Any:
    """Wait for the task of an answer and check that it finished."""
    (task_id,) = answer.tasks
    task = await tenant.sdk.cloud.tasks.poll(task_id, polling_interval_seconds=0)
    assert task.state == "FINISHED", task.error
    return task


async def test_floating_ips_are_assigned_by_older_methods(tenant: Tenant) -> None:
    port, floating, sdk = await an_inner_port(tenant), await a_floating_ip(tenant), tenant.sdk.cloud.floating_ips

    with pytest.deprecated_call():
        assigned = await sdk.assign(floating.id, port_id=port.id)
    with pytest.deprecated_call():
        free = await sdk.unassign(floating.id)

    assert (assigned.port_id, free.port_id) == (port.id, None)


async def test_routers_are_read_measured_and_deleted(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    router, routers = await a_router(tenant, subnet, created_at=0), tenant.sdk.cloud.networks.routers

    current = await routers.get(router.id)
    measured = await routers.metrics.list(router.id, time_interval=1, time_unit="hour")
    (inner,) = [item for item in measured.results if item.interface_type == "private"]
    (outer,) = [item for item in measured.results if item.interface_type == "public"]
    for interface in current.interfaces:
        await routers.detach_subnet(router.id, subnet_id=interface.ip_assignments[0].subnet_id)
    await wait_finished(tenant, await routers.delete(router.id))

    assert inner.ip_addresses == [current.interfaces[0].ip_assignments[0].ip_address]
    assert (inner.network_id, outer.port_id != inner.port_id) == (subnet.network_id, True)
    assert len(inner.metrics) == len(outer.metrics) == 12
    assert inner.metrics[0].network_bps_ingress is not None
    assert [router.id async for router in routers.list()] == []


async def test_networks_are_deleted(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    networks = tenant.sdk.cloud.networks

    await wait_finished(tenant, await networks.delete(network.id))

    assert network.id not in [item.id async for item in networks.list()]


async def test_rules_of_security_groups_are_created_replaced_and_deleted(tenant: Tenant) -> None:
    group, rules = await a_security_group(tenant, "web"), tenant.sdk.cloud.security_groups.rules

    created = await wait_finished(tenant, await rules.create(group.id, direction="ingress", protocol="icmp"))
    (rule_id,) = created.created_resources.security_group_rules
    with pytest.deprecated_call():
        replaced = await rules.replace(
            rule_id, direction="egress", protocol="icmp", extra_body={"security_group_id": group.id}
        )
    await wait_finished(tenant, await rules.delete(replaced.id, group_id=group.id))

    assert replaced.direction == "egress"
    assert (await tenant.sdk.cloud.security_groups.get(group.id)).security_group_rules == []


async def test_reserved_fixed_ips_become_virtual_ips_and_are_deleted(tenant: Tenant) -> None:
    kept = tenant.sdk.cloud.reserved_fixed_ips
    created = await kept.create_and_poll(type="external", polling_interval_seconds=0)

    virtual = await kept.update(created.port_id, is_vip=True)
    connected = await kept.vip.connected_ports.list(created.port_id)
    plain = await kept.update(created.port_id, is_vip=False)
    await wait_finished(tenant, await kept.delete(created.port_id))

    assert (virtual.is_vip, connected.results, plain.is_vip) == (True, [], False)
    assert [item async for item in kept.list()] == []


async def test_flavors_images_and_consoles_are_read(tenant: Tenant) -> None:
    cloud, instance = tenant.sdk.cloud, await an_instance(tenant)

    flavors = await cloud.instances.flavors.list()
    images = await cloud.baremetal.images.list()
    console = await cloud.instances.get_console(instance.id)

    assert instance.flavor_id in {flavor.flavor_id for flavor in flavors.results}
    assert images.results
    assert all(image.name.endswith("-ironic") for image in images.results)
    assert console.remote_console.url.startswith("http")


async def test_a_threshold_and_a_policy_are_read(tenant: Tenant) -> None:
    cloud, (policy_id, _) = tenant.sdk.cloud, await a_lifecycle_policy(tenant)
    await cloud.quotas.notification_threshold.update(tenant.client_id, threshold=70)

    threshold = await cloud.quotas.notification_threshold.get(tenant.client_id)
    policy = await cloud.snapshot_schedules.get(policy_id)

    assert (threshold.threshold, policy.id) == (70, policy_id)
