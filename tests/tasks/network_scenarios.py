"""Scenarios of the operations on networks, subnets and routers."""

from tests.builders import a_network
from tests.certificates import A_CERTIFICATE
from tests.networks import a_router, a_secret
from tests.tasks.scenario import Scenario, SendRequest, request
from tests.tenants import Tenant


async def _create_network(tenant: Tenant) -> SendRequest:
    """A router with an external gateway is created with it."""
    return request("POST", tenant.path("networks"), {"name": "fresh", "type": "vlan", "tags": {"a": "b"}})


async def _update_network(tenant: Tenant) -> SendRequest:
    network, _ = await a_network(tenant)
    body = {"name": "other", "tags": {"c": "d"}}
    return request("PATCH", tenant.path("networks", network.id, version=2), body)


async def _delete_network(tenant: Tenant) -> SendRequest:
    """It has its own router, and a subnet with an interface of another network's router."""
    network, (first, second) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    _, (other,) = await a_network(tenant, "10.7.0.0/24")
    await a_router(tenant, first, network_id=network.id)
    await a_router(tenant, second, other)
    return request("DELETE", tenant.path("networks", network.id))


async def _create_subnet(tenant: Tenant) -> SendRequest:
    """The network has a router."""
    network, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet, network_id=network.id)
    body = {"name": "fresh", "network_id": network.id, "cidr": "10.0.1.0/24", "tags": {"a": "b"}}
    return request("POST", tenant.path("subnets"), body)


async def _update_subnet(tenant: Tenant) -> SendRequest:
    _, (subnet,) = await a_network(tenant)
    body = {"gateway_ip": "10.0.0.9", "dns_nameservers": ["10.0.0.2"], "tags": {"c": "d"}}
    return request("PATCH", tenant.path("subnets", subnet.id), body)


async def _delete_subnet(tenant: Tenant) -> SendRequest:
    """A router has an interface in it."""
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    return request("DELETE", tenant.path("subnets", subnet.id))


async def _create_router(tenant: Tenant) -> SendRequest:
    _, (first, second) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    body = {
        "name": "fresh",
        "external_gateway_info": {"type": "default"},
        "interfaces": [{"subnet_id": first.id}, {"subnet_id": second.id}],
        "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.1.7"}],
    }
    return request("POST", tenant.path("routers"), body)


async def _update_router(tenant: Tenant) -> SendRequest:
    """Remove the external gateway, and add a route."""
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    routes = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}]
    body = {"name": "other", "external_gateway_info": None, "routes": routes}
    return request("PATCH", tenant.path("routers", router.id, version=2), body)


async def _delete_router(tenant: Tenant) -> SendRequest:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    return request("DELETE", tenant.path("routers", router.id))


async def _create_secret(tenant: Tenant) -> SendRequest:
    return request("POST", tenant.path("secrets", version=2), A_CERTIFICATE)


async def _delete_secret(tenant: Tenant) -> SendRequest:
    return request("DELETE", tenant.path("secrets", (await a_secret(tenant)).id))


NETWORK_SCENARIOS: dict[str, Scenario] = {
    "create_network": Scenario(_create_network),
    "update_network": Scenario(_update_network),
    "delete_network": Scenario(_delete_network),
    "create_subnet": Scenario(_create_subnet),
    "update_subnet": Scenario(_update_subnet),
    "delete_subnet": Scenario(_delete_subnet),
    "create_router": Scenario(_create_router),
    "update_router": Scenario(_update_router),
    "delete_router": Scenario(_delete_router),
    "create_secret": Scenario(_create_secret),
    "delete_secret": Scenario(_delete_secret),
}
