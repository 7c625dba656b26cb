"""Reserved fixed IPs: reserved ports with their network, addresses and instances."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from pileus.domain.errors import not_found
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP, is_connected_to_vip
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.network import networks, ports
from pileus.store.rows import in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters


async def get(tx: Tx, place: Place, port_id: str) -> ReservedFixedIP:
    """Return a reserved fixed IP of a place; raises NotFound."""
    port = await ports.TABLE.find_one(
        tx, f"id = :id AND reserved = 1 AND {IN_PLACE}", id=port_id, **place_parameters(place)
    )
    if port is None:
        raise not_found("Reserved fixed IP", port_id)
    (fixed_ip,) = await _with_related(tx, place, [port])
    return fixed_ip


async def list_all(tx: Tx, place: Place) -> list[ReservedFixedIP]:
    """Return all reserved fixed IPs of a place; quotas keep them few."""
    reserved = await ports.TABLE.find(tx, f"reserved = 1 AND {IN_PLACE}", **place_parameters(place))
    return await _with_related(tx, place, reserved)


async def list_instance_ports(tx: Tx, place: Place, network_id: str) -> list[Port]:
    """Return the ports of a place's instances in a network, oldest first."""
    where = f"{IN_PLACE} AND network_id = :network_id AND instance_id IS NOT NULL ORDER BY created_at, id"
    return await ports.TABLE.find(tx, where, network_id=network_id, **place_parameters(place))


async def list_addresses_by_port(tx: Tx, port_ids: Sequence[str]) -> dict[str, list[AssignedAddress]]:
    """Return the addresses of ports, by port id."""
    addresses: dict[str, list[AssignedAddress]] = defaultdict(list)
    if port_ids:
        marks, values = in_list_placeholders("id", port_ids)
        for address in await ports.ADDRESSES.find(tx, f"port_id IN ({marks}) ORDER BY ip", **values):
            addresses[address.port_id or ""].append(address)
    return addresses


async def _with_related(tx: Tx, place: Place, reserved: Sequence[Port]) -> list[ReservedFixedIP]:
    addresses = await list_addresses_by_port(tx, [port.id for port in reserved])
    network_by_id = await networks.list_by_id(tx, sorted({port.network_id for port in reserved}))
    vip_network_ids = {port.network_id for port in reserved if port.is_vip}
    instance_ports = {network_id: await list_instance_ports(tx, place, network_id) for network_id in vip_network_ids}
    fixed_ips = []
    for port in reserved:
        network = network_by_id.get(port.network_id)
        if network is None:
            raise not_found("Network", port.network_id)
        fixed_ip = ReservedFixedIP(port=port, network=network, addresses=addresses[port.id])
        fixed_ips.append(_with_instance_ids(fixed_ip, instance_ports.get(port.network_id, ())))
    return fixed_ips


def _with_instance_ids(fixed_ip: ReservedFixedIP, instance_ports: Iterable[Port]) -> ReservedFixedIP:
    port = fixed_ip.port
    ids = [port.instance_id] if port.instance_id else []
    if port.is_vip:
        ids += [
            other.instance_id for other in instance_ports if other.instance_id and is_connected_to_vip(fixed_ip, other)
        ]
    return replace(fixed_ip, instance_ids=list(dict.fromkeys(ids)))
