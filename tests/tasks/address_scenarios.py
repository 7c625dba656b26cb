"""How each operation on floating IPs and reserved fixed IPs comes about."""

from pileus.domain.network.ports import Port
from tests.builders import a_ddos_profile, a_floating_ip, a_network, a_port, addresses_of, an_instance, driver_of
from tests.tasks.scenario import Ask, Story, asking
from tests.tenants import REGION, Tenant


async def an_inner_port(tenant: Tenant) -> Port:
    """A port of an instance's in a private network."""
    _, (subnet,) = await a_network(tenant)
    return await a_port(tenant, subnet, await an_instance(tenant, creator_task_id=tenant.running.cloud.new_id()))


async def _protected(tenant: Tenant, address: str) -> None:
    await a_ddos_profile(tenant, address)
    await driver_of(tenant.running).ensure_protected(REGION, address, active=True)


async def _create_fip(tenant: Tenant) -> Ask:
    port = await an_inner_port(tenant)
    return asking("POST", tenant.path("floatingips"), {"port_id": port.id, "tags": {"a": "b"}})


async def _update_fip(tenant: Tenant) -> Ask:
    """One that moves from one port to another."""
    floating_ip = await a_floating_ip(tenant, await an_inner_port(tenant))
    body = {"port_id": (await an_inner_port(tenant)).id, "tags": {"a": "b"}}
    return asking("PATCH", tenant.path("floatingips", floating_ip.id, version=2), body)


async def _delete_fip(tenant: Tenant) -> Ask:
    """One that leads to a port, and is protected."""
    floating_ip = await a_floating_ip(tenant, await an_inner_port(tenant))
    await _protected(tenant, floating_ip.floating_ip_address)
    return asking("DELETE", tenant.path("floatingips", floating_ip.id))


async def _reserve(tenant: Tenant) -> Ask:
    network, _ = await a_network(tenant)
    return asking("POST", tenant.path("reserved_fixed_ips"), {"type": "any_subnet", "network_id": network.id})


async def _free(tenant: Tenant) -> Ask:
    """One that a floating IP leads to, and that is protected."""
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet)
    await a_floating_ip(tenant, port)
    await _protected(tenant, (await addresses_of(tenant, port))[0])
    return asking("DELETE", tenant.path("reserved_fixed_ips", port.id))


async def _convert_fip(tenant: Tenant) -> Ask:
    floating_ip = await a_floating_ip(tenant)
    return asking("POST", tenant.path("floatingips", floating_ip.id, "convert"), {"target_type": "reserved_fixed_ip"})


async def _convert_reserved(tenant: Tenant) -> Ask:
    port = await a_port(tenant)
    return asking("POST", tenant.path("reserved_fixed_ips", port.id, "convert"), {"target_type": "floating_ip"})


ADDRESS_STORIES: dict[str, Story] = {
    "create_fip": Story(_create_fip),
    "update_floating_ip": Story(_update_fip),
    "delete_fip": Story(_delete_fip),
    "create_reserved_fixed_ip": Story(_reserve),
    "delete_reserved_fixed_ip": Story(_free),
    "convert_floating_ip": Story(_convert_fip),
    "convert_reserved_fixed_ip": Story(_convert_reserved),
}
