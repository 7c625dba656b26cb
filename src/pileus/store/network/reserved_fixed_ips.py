"""Reserved fixed IPs: reserved ports with what is around them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pileus.domain.errors import not_found
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP, connected
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.network import networks, ports
from pileus.store.rows import in_list
from pileus.store.scoped import IN_PLACE, place_params


async def get(tx: Tx, place: Place, port_id: str) -> ReservedFixedIP:
    """One of a place; raises NotFound."""
    port = await ports.TABLE.find_one(
        tx, f"id = :id AND reserved = 1 AND {IN_PLACE}", id=port_id, **place_params(place)
    )
    if port is None:
        raise not_found("Reserved fixed IP", port_id)
    (found,) = await _with_related(tx, place, [port])
    return found


async def list_all(tx: Tx, place: Place) -> list[ReservedFixedIP]:
    """All that a place has: quotas keep them few."""
    return await _with_related(
        tx, place, await ports.TABLE.find(tx, f"reserved = 1 AND {IN_PLACE}", **place_params(place))
    )


async def list_instance_ports(tx: Tx, place: Place, network_id: str) -> list[Port]:
    """The ports of a place's instances in a network, but for reserved virtual IPs."""
    where = f"{IN_PLACE} AND network_id = :network_id AND instance_id IS NOT NULL ORDER BY created_at, id"
    return await ports.TABLE.find(tx, where, network_id=network_id, **place_params(place))


async def addresses_of_each(tx: Tx, port_ids: Sequence[str]) -> dict[str, list[AssignedAddress]]:
    """The lines of the address book of ports, by their ids."""
    found: dict[str, list[AssignedAddress]] = defaultdict(list)
    if port_ids:
        marks, values = in_list("id", port_ids)
        for line in await ports.ADDRESSES.find(tx, f"port_id IN ({marks}) ORDER BY ip", **values):
            found[line.port_id or ""].append(line)
    return found


async def _with_related(tx: Tx, place: Place, found: Iterable[Port]) -> list[ReservedFixedIP]:
    reserved = list(found)
    lines = await addresses_of_each(tx, [port.id for port in reserved])
    around = {each: await networks.find(tx, each) for each in {port.network_id for port in reserved}}
    shared = {port.network_id for port in reserved if port.is_vip}
    near = {network_id: await list_instance_ports(tx, place, network_id) for network_id in shared}
    whole = []
    for port in reserved:
        network = around[port.network_id]
        if network is None:
            raise not_found("Network", port.network_id)
        one = ReservedFixedIP(port=port, network=network, addresses=lines[port.id])
        whole.append(_with_instance_ids(one, near.get(port.network_id, ())))
    return whole


def _with_instance_ids(one: ReservedFixedIP, near: Iterable[Port]) -> ReservedFixedIP:
    """The same with the instances that use it."""
    own = [one.port.instance_id] if one.port.instance_id else []
    sharing = [port.instance_id for port in near if port.instance_id and connected(one, port)]
    used = list(dict.fromkeys([*own, *(sharing if one.port.is_vip else [])]))
    return ReservedFixedIP(port=one.port, network=one.network, addresses=one.addresses, instance_ids=used)
