"""Scenarios of the operations on floating IPs and reserved fixed IPs."""

from pileus.domain.network.ports import Port
from tests.builders import a_ddos_profile, a_floating_ip, a_network, a_port, an_instance, driver_of, list_addresses
from tests.networks import a_routed_network
from tests.tasks.scenario import Scenario, SendRequest, request
from tests.tenants import REGION, Tenant


async def an_inner_port(tenant: Tenant) -> Port:
    """Create an instance with a port in a routed private network, and return the port."""
    _, (subnet,) = await a_routed_network(tenant)
    return await a_port(tenant, subnet, await an_instance(tenant, creator_task_id=tenant.running.app_state.new_id()))


async def _protect(tenant: Tenant, address: str) -> None:
    await a_ddos_profile(tenant, address)
    await driver_of(tenant.running).ensure_ddos_protection(REGION, address, active=True)


async def _create_fip(tenant: Tenant) -> SendRequest:
    port = await an_inner_port(tenant)
    return request("POST", tenant.path("floatingips"), {"port_id": port.id, "tags": {"a": "b"}})


async def _update_fip(tenant: Tenant) -> SendRequest:
    """Move it from one port to another."""
    floating_ip = await a_floating_ip(tenant, await an_inner_port(tenant))
    body = {"port_id": (await an_inner_port(tenant)).id, "tags": {"a": "b"}}
    return request("PATCH", tenant.path("floatingips", floating_ip.id, version=2), body)


async def _delete_fip(tenant: Tenant) -> SendRequest:
    """It is assigned to a port, and protected."""
    floating_ip = await a_floating_ip(tenant, await an_inner_port(tenant))
    await _protect(tenant, floating_ip.floating_ip_address)
    return request("DELETE", tenant.path("floatingips", floating_ip.id))


async def _create_reserved(tenant: Tenant) -> SendRequest:
    network, _ = await a_network(tenant)
    return request("POST", tenant.path("reserved_fixed_ips"), {"type": "any_subnet", "network_id": network.id})


async def _delete_reserved(tenant: Tenant) -> SendRequest:
    """A floating IP is assigned to it, and it is protected."""
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet)
    await a_floating_ip(tenant, port)
    await _protect(tenant, (await list_addresses(tenant, port))[0])
    return request("DELETE", tenant.path("reserved_fixed_ips", port.id))


async def _convert_fip(tenant: Tenant) -> SendRequest:
    floating_ip = await a_floating_ip(tenant)
    return request("POST", tenant.path("floatingips", floating_ip.id, "convert"), {"target_type": "reserved_fixed_ip"})


async def _convert_reserved(tenant: Tenant) -> SendRequest:
    port = await a_port(tenant)
    return request("POST", tenant.path("reserved_fixed_ips", port.id, "convert"), {"target_type": "floating_ip"})


ADDRESS_SCENARIOS: dict[str, Scenario] = {
    "create_fip": Scenario(_create_fip),
    "update_floating_ip": Scenario(_update_fip),
    "delete_fip": Scenario(_delete_fip),
    "create_reserved_fixed_ip": Scenario(_create_reserved),
    "delete_reserved_fixed_ip": Scenario(_delete_reserved),
    "convert_floating_ip": Scenario(_convert_fip),
    "convert_reserved_fixed_ip": Scenario(_convert_reserved),
}
