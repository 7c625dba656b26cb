"""The ports of routers, and the addresses that they have."""

from collections.abc import Sequence

from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.routers import RouterInterface, RouterPort
from pileus.store.database import Tx
from pileus.store.network import addresses, ports, subnets
from pileus.store.rows import Table, in_list

TABLE = Table("router_ports", RouterPort)
ON_SUBNET = "id IN (SELECT router_port_id FROM addresses WHERE subnet_id = :subnet_id AND router_port_id IS NOT NULL)"


async def list_by_routers(tx: Tx, router_ids: Sequence[str]) -> dict[str, list[RouterInterface]]:
    """The ports of many routers with their addresses, oldest first."""
    marks, values = in_list("router", router_ids)
    found: dict[str, list[RouterInterface]] = {router_id: [] for router_id in router_ids}
    for leg in await _list(tx, f"router_id IN ({marks})", **values):
        found[leg.port.router_id].append(leg)
    return found


async def list_by_router(tx: Tx, router_id: str) -> list[RouterInterface]:
    """A router's ports with their addresses, oldest first."""
    return await _list(tx, "router_id = :router_id", router_id=router_id)


async def list_by_subnet(tx: Tx, subnet_id: str) -> list[RouterInterface]:
    """The ports of all routers that have an address of a subnet."""
    return await _list(tx, ON_SUBNET, subnet_id=subnet_id)


async def list_by_network(tx: Tx, network_id: str) -> list[RouterInterface]:
    """The ports of all routers in a network."""
    return await _list(tx, "network_id = :network_id", network_id=network_id)


async def subnets_of(tx: Tx, legs: Sequence[RouterInterface]) -> list[Subnet]:
    """The subnets that ports have their addresses of."""
    marks, values = in_list("id", [line.subnet_id for leg in legs for line in leg.addresses])
    return await subnets.TABLE.find(tx, f"id IN ({marks}) ORDER BY created_at, id", **values)


async def add(tx: Tx, port: RouterPort) -> RouterPort:
    """Insert a port; its addresses follow in this transaction."""
    return await TABLE.add(tx, port)


async def allocate_address(tx: Tx, subnet: Subnet, port_id: str, requested_ip: str | None = None) -> str:
    """Give a port an address of a subnet: the one that is wanted, else the subnet's gateway if it is free, else any.

    Raises Invalid for one that the subnet cannot give, Conflict for one in use, NoCapacity when all are.
    """
    gateway = subnet.gateway_ip
    free = gateway is not None and not await addresses.is_in_use(tx, subnet, gateway)
    if gateway is not None and (requested_ip == gateway or (requested_ip is None and free)):
        if not free:
            raise Conflict(f"Address {gateway} of subnet {subnet.id} is in use")
        line = AssignedAddress(subnet_id=subnet.id, ip=gateway, router_port_id=port_id)
        return (await ports.add_address(tx, line)).ip
    return await addresses.allocate(tx, subnet, router_port_id=port_id, requested_ip=requested_ip)


async def remove(tx: Tx, port_id: str) -> None:
    """Delete a port and free its addresses."""
    await tx.run("DELETE FROM addresses WHERE router_port_id = :id", id=port_id)
    await TABLE.remove(tx, port_id)


async def _list(tx: Tx, where: str, **values: str) -> list[RouterInterface]:
    found = await TABLE.find(tx, f"{where} ORDER BY created_at, id", **values)
    marks, named = in_list("port", [port.id for port in found])
    lines: dict[str, list[AssignedAddress]] = {port.id: [] for port in found}
    for line in await ports.ADDRESSES.find(tx, f"router_port_id IN ({marks}) ORDER BY ip", **named):
        lines[line.router_port_id or ""].append(line)
    return [RouterInterface(port, lines[port.id]) for port in found]
