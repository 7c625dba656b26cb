"""Attach interfaces to instances and detach them: create the ports with their addresses, and remove them again.

An address is allocated in the transaction of the request: it is never given twice, and a failed request keeps none.
"""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.account import quota_checks
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_orders import FloatingIPChoice, InterfaceType, NewInterface, count_resource_demand
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid, not_found
from pileus.domain.ip_addresses import ip_address
from pileus.domain.network.ddos_profiles import NewDdosProfile
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPTarget
from pileus.domain.network.interfaces import (
    AttachedInterface,
    check_another_interface_allowed,
    check_port_has_address,
    next_interface_position,
    require_attachable_interface,
    require_port_to_detach,
)
from pileus.domain.network.networks import IP_VERSIONS, Network
from pileus.domain.network.ports import Port, derive_mac_address
from pileus.domain.network.security_groups import new_default_security_group
from pileus.domain.network.task_types import (
    ATTACH_INTERFACE,
    ATTACH_RESERVED_FIXED_IP,
    DETACH_INTERFACE,
    AttachOrDetachInterfaceArgs,
)
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.network.ddos_profiles import add_ddos_profile_for_interfaces, lock_profiles_of_ports
from pileus.services.network.floating_ips import allocate_floating_ip, resolve_target_on_port
from pileus.services.network.interface_subnets import resolve_network_and_subnets
from pileus.services.tasks import start_task
from pileus.store.account import metering
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, ports, security_groups


class InterfaceOwner(Struct, frozen=True, kw_only=True):
    """The instance or load balancer of new interfaces (None: ports without one) and the task that locks them.

    Interfaces of bare metal servers have `port_security` False: no security groups, no anti-spoofing.
    """

    task_id: str
    instance_id: str | None = None
    load_balancer_id: str | None = None
    port_security: bool = True


async def attach_interface(
    tx: Tx,
    ctx: Context,
    instance_id: str,
    interface: NewInterface,
    task_id: str,
    *,
    ddos_profile: NewDdosProfile | None = None,
    audit_data: dict[str, Any],
) -> Task:
    """Lock the instance, save its new interface and start the task that attaches it."""
    instance = await instances.get(tx, ctx.place, instance_id)
    require_attachable_interface(instance, interface)
    await instances.save(tx, instance, instance.changing_interfaces(task_id))
    await check_quotas(tx, ctx, quota_checks.count_demand_by_quota(count_resource_demand(None, [], [interface])))
    existing = await ports.list_by_instance(tx, instance_id)
    check_another_interface_allowed(existing)
    position = next_interface_position(existing)
    owner = InterfaceOwner(task_id=task_id, instance_id=instance_id)
    attached = await create_or_take_over_port(tx, ctx, owner, interface, interface.security_group_ids, position)
    profiles = (
        [await add_ddos_profile_for_interfaces(tx, ctx, [attached], ddos_profile, task_id)] if ddos_profile else []
    )
    reserved = interface.type == InterfaceType.RESERVED_FIXED_IP
    task_type = ATTACH_RESERVED_FIXED_IP if reserved else ATTACH_INTERFACE
    args = AttachOrDetachInterfaceArgs(
        instance_id=instance_id,
        port_id=attached.port.id,
        profiles=profiles,
        kept_floating_ips=attached.kept_floating_ips,
    )
    data = {"instance_id": instance_id, "port_id": attached.port.id}
    entry = AuditEntry("instance", "attach", instance_id, audit_data)
    return await start_task(tx, ctx, task_id, task_type, args, data=data, entry=entry)


async def detach_interface(tx: Tx, ctx: Context, instance_id: str, port_id: str, ip_address: str, task_id: str) -> Task:
    """Lock the instance and the port with its floating IPs and DDoS profiles, and start the task that detaches it.

    Raises Invalid if the port does not have `ip_address`.
    """
    instance = await instances.get(tx, ctx.place, instance_id)
    port = require_port_to_detach(await ports.list_by_instance(tx, instance_id), port_id)
    check_port_has_address(port, await ports.list_addresses(tx, port.id), ip_address)
    await instances.save(tx, instance, instance.changing_interfaces(task_id))
    await ports.save(tx, port, port.locked(task_id))
    for floating_ip in await floating_ips.list_by_port(tx, port.id):
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    profiles = [] if port.reserved else await lock_profiles_of_ports(tx, [port], task_id)
    args = AttachOrDetachInterfaceArgs(instance_id=instance_id, port_id=port.id, profiles=profiles)
    data = {"instance_id": instance_id, "port_id": port.id, "ip_address": ip_address}
    entry = AuditEntry("instance", "detach", instance_id, {"ip_address": ip_address, "port_id": port_id})
    return await start_task(tx, ctx, task_id, DETACH_INTERFACE, args, data=data, entry=entry)


async def create_or_take_over_port(
    tx: Tx, ctx: Context, owner: InterfaceOwner, interface: NewInterface, group_ids: Sequence[str], position: int
) -> AttachedInterface:
    """Save a port with addresses, security groups and floating IP, or take over the port of a reserved fixed IP.

    Without `group_ids` the port gets the project's default group. Raises NotFound, Invalid, Conflict or NoCapacity.
    """
    kept: list[str] = []
    if interface.type == InterfaceType.RESERVED_FIXED_IP:
        port, ips = await _take_reserved_port(tx, ctx, owner, interface, position)
        kept = [floating_ip.id for floating_ip in await floating_ips.list_by_port(tx, port.id)]
    else:
        port, ips = await add_port_with_addresses(tx, ctx, owner, interface, position)
    if port.port_security_enabled and owner.port_security:
        await security_groups.add_to_port(tx, port.id, await _resolve_groups(tx, ctx, group_ids))
    if interface.floating_ip is None:
        return AttachedInterface(port=port, addresses=ips, kept_floating_ips=kept)
    floating_ip = await _assign_floating_ip(tx, ctx, interface.floating_ip, port, ips, owner.task_id)
    new = interface.floating_ip.existing_id is None
    return AttachedInterface(
        port=port, addresses=ips, floating_ip=floating_ip, new_floating_ip=new, kept_floating_ips=kept
    )


async def remove_or_release_port(
    tx: Tx,
    port: Port,
    now: int,
    *,
    deleted_floating_ip_ids: Collection[str] = (),
    deleted_port_ids: Collection[str] = (),
    kept_floating_ip_ids: Collection[str] = (),
    save_usage: bool = True,
) -> None:
    """Remove a port, or keep it as a reserved fixed IP that nothing uses; unassign its floating IPs.

    Floating IPs in `deleted_floating_ip_ids` and reserved ports in `deleted_port_ids` are deleted. The usage of what
    is deleted is saved, unless `save_usage` is False. Floating IPs in `kept_floating_ip_ids` stay assigned.
    """
    for floating_ip in await floating_ips.list_by_port(tx, port.id):
        if floating_ip.id in deleted_floating_ip_ids:
            await metering.save_usage_until_now(tx, [floating_ip] if save_usage else [], now)
            await floating_ips.remove(tx, floating_ip.id)
        elif floating_ip.id not in kept_floating_ip_ids:
            await floating_ips.save(tx, floating_ip, floating_ip.assigned_to(FloatingIPTarget(), now))
        elif floating_ip.task_id is not None and floating_ip.task_id == port.task_id:
            await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    if is_removed(port, deleted_port_ids):
        await metering.save_usage_until_now(tx, [port] if save_usage else [], now)
        await ports.remove(tx, port.id)
    else:
        await security_groups.remove_all_from_port(tx, port.id)
        await ports.save(tx, port, port.released(now))


def is_removed(port: Port, deleted_port_ids: Collection[str]) -> bool:
    """Return whether a port ceases to exist with its interface: a reserved one only if it is among these."""
    return not port.reserved or port.id in deleted_port_ids


async def add_port_with_addresses(
    tx: Tx,
    ctx: Context,
    owner: InterfaceOwner,
    interface: NewInterface,
    position: int = 0,
    *,
    reserved: bool = False,
    is_vip: bool = False,
) -> tuple[Port, list[str]]:
    """Save a new port with its addresses."""
    network, subnets = await resolve_network_and_subnets(tx, ctx, interface)
    port = _new_port(ctx, owner, network, interface, position)
    port = await ports.add(tx, replace(port, reserved=reserved, is_vip=is_vip))
    ips = [
        await addresses.allocate(tx, subnet, port_id=port.id, requested_ip=interface.ip_address) for subnet in subnets
    ]
    return port, ips


def _new_port(ctx: Context, owner: InterfaceOwner, network: Network, interface: NewInterface, position: int) -> Port:
    port_id, place, now = ctx.new_id(), ctx.place, ctx.now()
    return Port(
        id=port_id,
        **asdict(place),
        network_id=network.id,
        external=network.external,
        instance_id=owner.instance_id,
        load_balancer_id=owner.load_balancer_id,
        position=position,
        interface_name=interface.interface_name,
        mac_address=derive_mac_address(port_id),
        port_security_enabled=network.port_security_enabled and owner.port_security,
        port_group=interface.port_group,
        task_id=owner.task_id,
        creator_task_id=owner.task_id,
        created_at=now,
        updated_at=now,
    )


async def _take_reserved_port(
    tx: Tx, ctx: Context, owner: InterfaceOwner, interface: NewInterface, position: int
) -> tuple[Port, list[str]]:
    before = await ports.get(tx, ctx.place, interface.port_id or "")
    if not before.reserved:
        raise not_found("Reserved fixed IP", before.id)
    if before.instance_id is not None or before.load_balancer_id is not None or before.is_vip:
        raise Conflict(f"Reserved fixed IP {before.id} is in use")
    after = replace(
        before.require_unlocked(),
        instance_id=owner.instance_id,
        load_balancer_id=owner.load_balancer_id,
        position=position,
        interface_name=interface.interface_name,
        port_group=interface.port_group,
        task_id=owner.task_id,
        updated_at=ctx.now(),
    )
    port = await ports.save(tx, before, after)
    return port, [assigned.ip for assigned in await ports.list_addresses(tx, port.id)]


async def _resolve_groups(tx: Tx, ctx: Context, group_ids: Sequence[str]) -> list[str]:
    """Return the ids of the groups, or of the project's default group, which is created if it does not exist yet."""
    if group_ids:
        groups = [await security_groups.get_for_use(tx, ctx.place, group_id) for group_id in group_ids]
        return [group.require_unlocked().id for group in groups]
    group = await security_groups.find_default(tx, ctx.place)
    if group is None:
        policy = ctx.catalogue.security_groups
        group = await security_groups.add(tx, *new_default_security_group(ctx.place, policy, ctx.new_id, ctx.now()))
    return [group.id]


async def _assign_floating_ip(
    tx: Tx, ctx: Context, choice: FloatingIPChoice, port: Port, ips: Sequence[str], task_id: str
) -> FloatingIP:
    """Assign a new or an existing floating IP to the port's first IPv4 address. It may be assigned there already."""
    fixed_ip_address = next((ip for ip in ips if ip_address(ip).version in IP_VERSIONS["ipv4"]), None)
    if fixed_ip_address is None:
        raise invalid(floating_ip="A floating IP needs an interface with an IPv4 address")
    if choice.existing_id is None:
        target = await resolve_target_on_port(tx, port, fixed_ip_address)
        return await allocate_floating_ip(tx, ctx, task_id, target)
    before = await floating_ips.get(tx, ctx.place, choice.existing_id)
    if (before.port_id, before.fixed_ip_address) == (port.id, fixed_ip_address):
        return await floating_ips.save(tx, before, before.locked(task_id))
    target = await resolve_target_on_port(tx, port, fixed_ip_address)
    if before.port_id is not None:
        raise Conflict(f"Floating IP {before.id} is in use")
    after = replace(before.require_unlocked().assigned_to(target, ctx.now()), status=before.status, task_id=task_id)
    return await floating_ips.save(tx, before, after)
