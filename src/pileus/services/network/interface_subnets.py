"""The subnets that a new interface or reserved fixed IP takes its addresses from."""

from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.context import Context
from pileus.domain.errors import NotFound, invalid, not_found
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.task_types import CREATE_SUBNET
from pileus.store import tasks
from pileus.store.database import Tx
from pileus.store.network import networks, subnets


async def resolve_network_and_subnets(tx: Tx, ctx: Context, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    """Return the interface's network, and a subnet for each of its addresses.

    Raises NotFound, Invalid, Conflict or NoCapacity.
    """
    if interface.type == InterfaceType.EXTERNAL:
        return await _external_subnets(tx, ctx, interface)
    if interface.type == InterfaceType.SUBNET:
        return await _find_named_subnet(tx, ctx, interface)
    return await _subnets_of_network(tx, ctx, interface)


async def _external_subnets(tx: Tx, ctx: Context, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    network = await networks.get(tx, ctx.place, ctx.catalogue.external_network_id(ctx.place.region_id))
    return network, await subnets.choose_subnets_to_allocate_from(tx, network.id, interface.ip_family)


async def _find_named_subnet(tx: Tx, ctx: Context, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    subnet = await subnets.TABLE.lock_for_use(tx, interface.subnet_id or "")
    if subnet is None:
        raise not_found("Subnet", interface.subnet_id)
    try:
        network = await networks.get_for_use(tx, ctx.place, subnet.network_id)
    except NotFound:
        raise not_found("Subnet", interface.subnet_id) from None
    if interface.network_id not in (None, network.id):
        raise invalid(subnet_id=f"Subnet {subnet.id} is not one of network {interface.network_id}")
    return await _require_usable(tx, ctx, network), [subnet.require_unlocked()]


async def _subnets_of_network(tx: Tx, ctx: Context, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    network = await _require_usable(tx, ctx, await networks.get_for_use(tx, ctx.place, interface.network_id or ""))
    if interface.ip_address is None:
        return network, await subnets.choose_subnets_to_allocate_from(tx, network.id, interface.ip_family)
    for subnet in await subnets.list_by_network(tx, network.id):
        if _can_assign(subnet, interface.ip_address):
            return network, [subnet.require_unlocked()]
    raise invalid(ip_address=f"Network {network.id} has no subnet with address {interface.ip_address}")


async def _require_usable(tx: Tx, ctx: Context, network: Network) -> Network:
    """Return the network. Raises Conflict if a task has locked it, unless that creates another subnet of it."""
    task = await tasks.find(tx, ctx.caller.client_id, network.task_id) if network.task_id else None
    return network if task is not None and task.task_type == CREATE_SUBNET.name else network.require_unlocked()


def _can_assign(subnet: Subnet, ip: str) -> bool:
    try:
        return subnet.can_assign_address(ip)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None
