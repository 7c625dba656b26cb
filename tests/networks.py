"""Networks, subnets and routers of a tenant's for tests, and how they stand afterwards."""

from typing import Any

from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import AssignedAddress, mac_address
from pileus.domain.network.routers import Router, RouterInterface, RouterPort, RouterStatus
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, ports, router_interfaces, routers, subnets
from pileus.tasks.network.routers import internal_interfaces, nic_spec, router_spec
from tests.builders import driver_of, owned, renewed
from tests.tenants import REGION, Tenant


def outside_of(tenant: Tenant) -> str:
    """The network that leads out."""
    return tenant.running.cloud.catalogue.external_network_id(REGION)


async def a_router(tenant: Tenant, *joined: Subnet, leads_out: bool = True, **changes: Any) -> Router:
    """A router that joins subnets at their gateways, and leads out."""
    outside = outside_of(tenant) if leads_out else None
    facts = {"name": "crossing", "status": RouterStatus.ACTIVE.value, "external_network_id": outside}
    router = Router(**{**facts, **renewed(tenant), **changes})

    async def write(tx: Tx) -> list[RouterInterface]:
        await routers.add(tx, router)
        for subnet in joined:
            port = await router_interfaces.add(tx, _port(tenant, router, subnet.network_id))
            line = AssignedAddress(subnet_id=subnet.id, ip=subnet.gateway_ip or "", router_port_id=port.id)
            await ports.assign(tx, line)
        if outside:
            port = await router_interfaces.add(tx, _port(tenant, router, outside, gateway=True))
            (way, *_) = await subnets.of_network(tx, outside)
            await addresses.allocate(tx, way, router_port_id=port.id)
        return await router_interfaces.of(tx, router.id)

    legs = await tenant.running.cloud.db.write(write)
    driver = driver_of(tenant.running)
    await driver.ensure_router(router_spec(router, legs))
    for leg in internal_interfaces(legs):
        await driver.ensure_router_interface(router.id, nic_spec(leg))
    return router


async def network_now(tenant: Tenant, network_id: str) -> Network | None:
    """A network as it is written down, or None."""
    async with tenant.running.cloud.db.read() as tx:
        return await networks.find(tx, network_id)


async def subnet_now(tenant: Tenant, subnet_id: str) -> Subnet | None:
    """A subnet as it is written down, or None."""
    async with tenant.running.cloud.db.read() as tx:
        return await subnets.find(tx, subnet_id)


async def router_now(tenant: Tenant, router_id: str) -> Router | None:
    """A router as it is written down, or None."""
    async with tenant.running.cloud.db.read() as tx:
        return await routers.find(tx, router_id)


async def legs_of(tenant: Tenant, router_id: str) -> list[RouterInterface]:
    """A router's ports."""
    async with tenant.running.cloud.db.read() as tx:
        return await router_interfaces.of(tx, router_id)


async def in_use(tenant: Tenant, subnet_id: str) -> set[str]:
    """The addresses of a subnet that are in use."""
    async with tenant.running.cloud.db.read() as tx:
        return {row[0] for row in await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id", id=subnet_id)}


def _port(tenant: Tenant, router: Router, network_id: str, *, gateway: bool = False) -> RouterPort:
    facts = owned(tenant)
    return RouterPort(
        id=facts["id"],
        router_id=router.id,
        network_id=network_id,
        gateway=gateway,
        mac_address=mac_address(facts["id"]),
        created_at=facts["created_at"],
    )


async def made(tenant: Tenant, noun: str, **body: Any) -> dict[str, Any]:
    """Ask for a network, subnet or router, and see it when its task has finished."""
    task = await tenant.finished(await tenant.api.post(tenant.path(noun), json={"name": "fresh", **body}))
    return await seen(tenant, noun, task["created_resources"][noun][0])


async def seen(tenant: Tenant, noun: str, identity: str) -> dict[str, Any]:
    """A network, subnet or router as the API shows it."""
    answer = await tenant.api.get(tenant.path(noun, identity))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(tenant: Tenant, noun: str, **query: Any) -> list[str]:
    """The names that a list shows."""
    answer = (await tenant.api.get(tenant.path(noun), params=query)).json()
    assert answer["count"] == len(answer["results"])
    return [each["name"] for each in answer["results"]]
