"""How each operation on networks, subnets and routers comes about."""

from tests.builders import a_network
from tests.networks import a_router
from tests.tasks.scenario import Ask, Story, asking
from tests.tenants import Tenant


async def _create_network(tenant: Tenant) -> Ask:
    """With a router that leads out."""
    return asking("POST", tenant.path("networks"), {"name": "fresh", "type": "vlan", "tags": {"a": "b"}})


async def _update_network(tenant: Tenant) -> Ask:
    network, _ = await a_network(tenant)
    body = {"name": "other", "tags": {"c": "d"}}
    return asking("PATCH", tenant.path("networks", network.id, version=2), body)


async def _delete_network(tenant: Tenant) -> Ask:
    """With its own router, and one that joins one of its subnets to another network."""
    network, (one, two) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    _, (elsewhere,) = await a_network(tenant, "10.7.0.0/24")
    await a_router(tenant, one, network_id=network.id)
    await a_router(tenant, two, elsewhere)
    return asking("DELETE", tenant.path("networks", network.id))


async def _create_subnet(tenant: Tenant) -> Ask:
    """In a network that has a router."""
    network, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet, network_id=network.id)
    body = {"name": "fresh", "network_id": network.id, "cidr": "10.0.1.0/24", "tags": {"a": "b"}}
    return asking("POST", tenant.path("subnets"), body)


async def _update_subnet(tenant: Tenant) -> Ask:
    _, (subnet,) = await a_network(tenant)
    body = {"gateway_ip": "10.0.0.9", "dns_nameservers": ["10.0.0.2"], "tags": {"c": "d"}}
    return asking("PATCH", tenant.path("subnets", subnet.id), body)


async def _delete_subnet(tenant: Tenant) -> Ask:
    """That a router joins."""
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    return asking("DELETE", tenant.path("subnets", subnet.id))


async def _create_router(tenant: Tenant) -> Ask:
    _, (one, two) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    body = {
        "name": "fresh",
        "external_gateway_info": {"type": "default"},
        "interfaces": [{"subnet_id": one.id}, {"subnet_id": two.id}],
        "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.1.7"}],
    }
    return asking("POST", tenant.path("routers"), body)


async def _update_router(tenant: Tenant) -> Ask:
    """One that loses its way out, and gets a route."""
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    routes = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}]
    body = {"name": "other", "external_gateway_info": None, "routes": routes}
    return asking("PATCH", tenant.path("routers", router.id, version=2), body)


async def _delete_router(tenant: Tenant) -> Ask:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    return asking("DELETE", tenant.path("routers", router.id))


NETWORK_STORIES: dict[str, Story] = {
    "create_network": Story(_create_network),
    "update_network": Story(_update_network),
    "delete_network": Story(_delete_network),
    "create_subnet": Story(_create_subnet),
    "update_subnet": Story(_update_subnet),
    "delete_subnet": Story(_delete_subnet),
    "create_router": Story(_create_router),
    "update_router": Story(_update_router),
    "delete_router": Story(_delete_router),
}
