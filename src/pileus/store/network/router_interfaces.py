"""Router interfaces: the ports of routers and their addresses."""

from collections.abc import Sequence

from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.routers import RouterInterface, RouterPort
from pileus.store.database import Tx
from pileus.store.network import addresses, ports, subnets
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("router_ports", RouterPort)
ON_SUBNET = "id IN (SELECT router_port_id FROM addresses WHERE subnet_id = :subnet_id AND router_port_id IS NOT NULL)"


async def list_by_routers(tx: Tx, router_ids: Sequence[str]) -> dict[str, list[RouterInterface]]:
    """Return the interfaces of routers, oldest first."""
    marks, values = in_list_placeholders("router", router_ids)
    interfaces: dict[str, list[RouterInterface]] = {router_id: [] for router_id in router_ids}
    for interface in await _list(tx, f"router_id IN ({marks})", **values):
        interfaces[interface.port.router_id].append(interface)
    return interfaces


async def list_by_router(tx: Tx, router_id: str) -> list[RouterInterface]:
    """Return the interfaces of a router, oldest first."""
    return await _list(tx, "router_id = :router_id", router_id=router_id)


async def list_by_subnet(tx: Tx, subnet_id: str) -> list[RouterInterface]:
    """Return the interfaces of all routers that have an address of a subnet."""
    return await _list(tx, ON_SUBNET, subnet_id=subnet_id)


async def list_by_network(tx: Tx, network_id: str) -> list[RouterInterface]:
    """Return the interfaces of all routers in a network."""
    return await _list(tx, "network_id = :network_id", network_id=network_id)


async def list_subnets_of_interfaces(tx: Tx, interfaces: Sequence[RouterInterface]) -> list[Subnet]:
    """Return the subnets of the interfaces' addresses."""
    marks, values = in_list_placeholders(
        "id", [address.subnet_id for interface in interfaces for address in interface.addresses]
    )
    return await subnets.TABLE.find(tx, f"id IN ({marks}) ORDER BY created_at, id", **values)


async def add(tx: Tx, port: RouterPort) -> RouterPort:
    """Insert a router port; its addresses follow in the same transaction."""
    return await TABLE.add(tx, port)


async def allocate_address(tx: Tx, subnet: Subnet, port_id: str, requested_ip: str | None = None) -> str:
    """Allocate an address for a router port: the requested one, else the gateway if it is free, else any.

    Raises Invalid if the subnet cannot assign the requested address, Conflict if it is in use, and NoCapacity if no
    address is free.
    """
    gateway = subnet.gateway_ip
    is_free = gateway is not None and not await addresses.is_in_use(tx, subnet, gateway)
    if gateway is not None and (requested_ip == gateway or (requested_ip is None and is_free)):
        if not is_free:
            raise Conflict(f"Address {gateway} of subnet {subnet.id} is in use")
        address = AssignedAddress(subnet_id=subnet.id, ip=gateway, router_port_id=port_id)
        return (await ports.add_address(tx, address)).ip
    return await addresses.allocate(tx, subnet, router_port_id=port_id, requested_ip=requested_ip)


async def remove(tx: Tx, port_id: str) -> None:
    """Delete a router port and release its addresses."""
    await ports.ADDRESSES.remove_all(tx, "router_port_id = :id", id=port_id)
    await TABLE.remove(tx, port_id)


async def _list(tx: Tx, where: str, **values: str) -> list[RouterInterface]:
    router_ports = await TABLE.find(tx, f"{where} ORDER BY created_at, id", **values)
    marks, parameters = in_list_placeholders("port", [port.id for port in router_ports])
    addresses_by_port: dict[str, list[AssignedAddress]] = {port.id: [] for port in router_ports}
    for address in await ports.ADDRESSES.find(tx, f"router_port_id IN ({marks}) ORDER BY ip", **parameters):
        addresses_by_port[address.router_port_id or ""].append(address)
    return [RouterInterface(port, addresses_by_port[port.id]) for port in router_ports]
