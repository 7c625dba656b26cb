"""Plugging an instance into networks: from what an interface is asked to be, to a port with addresses, groups and more.

It happens inside the transaction of the request, so that an address is given once and nothing is left of a request that
fails. `unplug` is the way back.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.compute.instance_orders import FloatingIPChoice, InterfaceType, NewInterface
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, NotFound, invalid, not_found
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import VERSIONS, Network, Subnet
from pileus.domain.network.ports import Port, mac_address
from pileus.domain.network.security_groups import default_group
from pileus.services.network.floating_ips import allocate_floating_ip, target_on_port
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, networks, ports, security_groups, subnets


class InterfaceContext(Struct, frozen=True, kw_only=True):
    """What the interfaces of one request have in common."""

    ctx: Context
    task_id: str
    instance_id: str | None = None
    guarded: bool = True
    """Whether security groups can be added to them: those of bare metal servers cannot have any."""


class AttachedInterface(Struct, frozen=True, kw_only=True):
    """An interface that is there now; `floating_ip` leads to it, and is `new` if it was made for it."""

    port: Port
    addresses: list[str]
    floating_ip: FloatingIP | None = None
    new_floating_ip: bool = False


async def create_interface(
    tx: Tx, plugging: InterfaceContext, interface: NewInterface, group_ids: Sequence[str], position: int
) -> AttachedInterface:
    """Make an interface, or take a reserved port for one; raises Invalid, NotFound, Conflict or NoCapacity."""
    if interface.type == InterfaceType.RESERVED_FIXED_IP:
        port, given = await _reserved(tx, plugging, interface, position)
    else:
        network, ranges = await RANGES[interface.type](tx, plugging, interface)
        port = await ports.add(tx, _port(plugging, network, interface, position))
        given = [await addresses.allocate(tx, each, port_id=port.id, wanted=interface.ip_address) for each in ranges]
    if port.port_security_enabled and plugging.guarded:
        await security_groups.add_to_port(tx, port.id, await _groups(tx, plugging, group_ids))
    if interface.floating_ip is None:
        return AttachedInterface(port=port, addresses=given)
    floating_ip = await _floating(tx, plugging, interface.floating_ip, port, given)
    new = interface.floating_ip.existing_id is None
    return AttachedInterface(port=port, addresses=given, floating_ip=floating_ip, new_floating_ip=new)


async def reserve_fixed_ip(tx: Tx, plugging: InterfaceContext, interface: NewInterface, *, is_vip: bool) -> Port:
    """Make a port without an instance, for its addresses; raises Invalid, NotFound, Conflict or NoCapacity."""
    network, ranges = await RANGES[interface.type](tx, plugging, interface)
    alone = replace(_port(plugging, network, interface, 0), reserved=True, is_vip=is_vip)
    port = await ports.add(tx, alone)
    given = [await addresses.allocate(tx, each, port_id=port.id, wanted=interface.ip_address) for each in ranges]
    return await ports.save(tx, port, port.as_reserved(given))


def _port(plugging: InterfaceContext, network: Network, interface: NewInterface, position: int) -> Port:
    port_id, place, now = plugging.ctx.new_id(), plugging.ctx.place, plugging.ctx.now()
    return Port(
        id=port_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        network_id=network.id,
        instance_id=plugging.instance_id,
        position=position,
        interface_name=interface.interface_name,
        mac_address=mac_address(port_id),
        port_security_enabled=network.port_security_enabled and plugging.guarded,
        port_group=interface.port_group,
        task_id=plugging.task_id,
        creator_task_id=plugging.task_id,
        created_at=now,
        updated_at=now,
    )


async def _external(tx: Tx, plugging: InterfaceContext, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    network = await networks.get(
        tx, plugging.ctx.place, plugging.ctx.catalogue.external_network_id(plugging.ctx.place.region_id)
    )
    return network, await subnets.choose_for_allocation(tx, network.id, interface.ip_family)


async def _any_subnet(tx: Tx, plugging: InterfaceContext, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    network = (await networks.get(tx, plugging.ctx.place, interface.network_id or "")).require_unlocked()
    if interface.ip_address is None:
        return network, await subnets.choose_for_allocation(tx, network.id, interface.ip_family)
    for subnet in await subnets.of_network(tx, network.id):
        if _belongs(interface.ip_address, subnet):
            return network, [subnet.require_unlocked()]
    raise invalid(ip_address=f"Network {network.id} has no subnet with address {interface.ip_address}")


async def _subnet(tx: Tx, plugging: InterfaceContext, interface: NewInterface) -> tuple[Network, list[Subnet]]:
    subnet = await subnets.find(tx, interface.subnet_id or "")
    if subnet is None:
        raise not_found("Subnet", interface.subnet_id)
    try:
        network = await networks.get(tx, plugging.ctx.place, subnet.network_id)
    except NotFound:
        raise not_found("Subnet", interface.subnet_id) from None
    if interface.network_id not in (None, network.id):
        raise invalid(subnet_id=f"Subnet {subnet.id} is not one of network {interface.network_id}")
    return network.require_unlocked(), [subnet.require_unlocked()]


RANGES = {
    InterfaceType.EXTERNAL: _external,
    InterfaceType.SUBNET: _subnet,
    InterfaceType.ANY_SUBNET: _any_subnet,
}


async def _reserved(
    tx: Tx, plugging: InterfaceContext, interface: NewInterface, position: int
) -> tuple[Port, list[str]]:
    before = await ports.get(tx, plugging.ctx.place, interface.port_id or "")
    if not before.reserved:
        raise not_found("Reserved fixed IP", before.id)
    if before.task_id is not None or before.instance_id is not None or before.is_vip:
        raise Conflict(f"Reserved fixed IP {before.id} is in use")
    after = replace(
        before,
        instance_id=plugging.instance_id,
        position=position,
        interface_name=interface.interface_name,
        port_group=interface.port_group,
        task_id=plugging.task_id,
        updated_at=plugging.ctx.now(),
    )
    port = await ports.save(tx, before, after)
    return port, [line.ip for line in await ports.addresses_of(tx, port.id)]


async def _groups(tx: Tx, plugging: InterfaceContext, group_ids: Sequence[str]) -> list[str]:
    """The groups named, or else the project's default one, made when it is first needed."""
    if group_ids:
        named = [await security_groups.get(tx, plugging.ctx.place, group_id) for group_id in dict.fromkeys(group_ids)]
        return [group.require_unlocked().id for group in named]
    found = await security_groups.default(tx, plugging.ctx.place)
    if found is None:
        found = await security_groups.add(
            tx, *default_group(plugging.ctx.place, plugging.ctx.new_id, plugging.ctx.now())
        )
    return [found.id]


async def _floating(
    tx: Tx, plugging: InterfaceContext, choice: FloatingIPChoice, port: Port, given: Sequence[str]
) -> FloatingIP:
    fixed = next((ip for ip in given if ip_address(ip).version in VERSIONS["ipv4"]), None)
    if fixed is None:
        raise invalid(floating_ip="A floating IP needs an interface with an IPv4 address")
    target = await target_on_port(tx, port, fixed)
    if choice.existing_id is None:
        return await allocate_floating_ip(tx, plugging.ctx, plugging.task_id, target)
    before = await floating_ips.get(tx, plugging.ctx.place, choice.existing_id)
    if before.task_id is not None or before.port_id is not None:
        raise Conflict(f"Floating IP {before.id} is in use")
    after = replace(before.associated_with(target, plugging.ctx.now()), status=before.status, task_id=plugging.task_id)
    return await floating_ips.save(tx, before, after)


def _belongs(ip: str, subnet: Subnet) -> bool:
    try:
        return subnet.can_assign(ip)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None
