"""Builders of networks, subnets and routers, and reads of their records."""

from typing import Any

from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import AssignedAddress, derive_mac_address
from pileus.domain.network.routers import Router, RouterInterface, RouterPort, RouterStatus
from pileus.domain.network.secrets import Secret, SecretPayload, SecretStatus
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, ports, router_interfaces, routers, secrets, subnets
from pileus.tasks.network.routers import internal_interfaces, nic_spec, router_spec
from tests.builders import a_network, driver_of, record_fields, updated_record_fields
from tests.certificates import CERTIFICATE
from tests.tenants import REGION, Tenant


def get_external_network_id(tenant: Tenant) -> str:
    """Return the id of the external network."""
    return tenant.running.app_state.catalogue.external_network_id(REGION)


async def a_secret(tenant: Tenant, **changes: Any) -> Secret:
    """Add a certificate with its private key."""
    payload = SecretPayload(certificate=CERTIFICATE.text, private_key=CERTIFICATE.private_key)
    fields = {"name": "www", "secret_type": "certificate", "payload": payload, "status": SecretStatus.ACTIVE.value}
    secret = Secret(**{**fields, **record_fields(tenant), **changes})
    await tenant.running.app_state.db.write(lambda tx: secrets.add(tx, secret))
    return secret


async def a_router(tenant: Tenant, *attached_subnets: Subnet, with_gateway: bool = True, **changes: Any) -> Router:
    """Add a router with interfaces at the gateways of subnets, and an external gateway."""
    external_network_id = get_external_network_id(tenant) if with_gateway else None
    fields = {"name": "crossing", "status": RouterStatus.ACTIVE.value, "external_network_id": external_network_id}
    router = Router(**{**fields, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> list[RouterInterface]:
        await routers.add(tx, router)
        for subnet in attached_subnets:
            port = await router_interfaces.add(tx, _router_port(tenant, router, subnet.network_id))
            address = AssignedAddress(subnet_id=subnet.id, ip=subnet.gateway_ip or "", router_port_id=port.id)
            await ports.add_address(tx, address)
        if external_network_id:
            port = await router_interfaces.add(tx, _router_port(tenant, router, external_network_id, gateway=True))
            (subnet, *_) = await subnets.list_by_network(tx, external_network_id)
            await addresses.allocate(tx, subnet, router_port_id=port.id)
        return await router_interfaces.list_by_router(tx, router.id)

    interfaces = await tenant.running.app_state.db.write(write)
    driver = driver_of(tenant.running)
    await driver.ensure_router(router_spec(router, interfaces))
    for interface in internal_interfaces(interfaces):
        await driver.ensure_router_interface(router.id, nic_spec(interface))
    return router


async def a_routed_network(tenant: Tenant, *cidrs: str) -> tuple[Network, list[Subnet]]:
    """Add a private network whose subnets a router connects to the external network, by default 10.0.0.0/24."""
    network, attached_subnets = await a_network(tenant, *cidrs)
    await a_router(tenant, *attached_subnets)
    return network, attached_subnets


async def find_network(tenant: Tenant, network_id: str) -> Network | None:
    """Read a network's record, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await networks.find(tx, network_id)


async def find_subnet(tenant: Tenant, subnet_id: str) -> Subnet | None:
    """Read a subnet's record, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await subnets.find(tx, subnet_id)


async def find_router(tenant: Tenant, router_id: str) -> Router | None:
    """Read a router's record, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await routers.find(tx, router_id)


async def list_router_interfaces(tenant: Tenant, router_id: str) -> list[RouterInterface]:
    """Read a router's interfaces."""
    async with tenant.running.app_state.db.read() as tx:
        return await router_interfaces.list_by_router(tx, router_id)


async def list_used_addresses(tenant: Tenant, subnet_id: str) -> set[str]:
    """Read the addresses of a subnet that are in use."""
    async with tenant.running.app_state.db.read() as tx:
        return {row[0] for row in await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id", id=subnet_id)}


def _router_port(tenant: Tenant, router: Router, network_id: str, *, gateway: bool = False) -> RouterPort:
    common_fields = record_fields(tenant)
    return RouterPort(
        id=common_fields["id"],
        router_id=router.id,
        network_id=network_id,
        gateway=gateway,
        mac_address=derive_mac_address(common_fields["id"]),
        created_at=router.created_at,
    )


async def create(tenant: Tenant, noun: str, **body: Any) -> dict[str, Any]:
    """Create a network, subnet or router, and return its view when the task has finished."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(noun), json={"name": "fresh", **body}))
    return await get_view(tenant, noun, task["created_resources"][noun][0])


async def get_view(tenant: Tenant, noun: str, identity: str) -> dict[str, Any]:
    """Get the view of a network, subnet or router."""
    answer = await tenant.api.get(tenant.path(noun, identity))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def list_names(tenant: Tenant, noun: str, **query: Any) -> list[str]:
    """List the names of resources."""
    answer = (await tenant.api.get(tenant.path(noun), params=query)).json()
    assert answer["count"] == len(answer["results"])
    return [view["name"] for view in answer["results"]]
