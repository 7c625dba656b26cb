"""Reserve fixed IPs, share virtual IPs between instances, convert and release them."""

from collections.abc import Iterable
from typing import Any

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.context import Context
from pileus.domain.errors import Invalid
from pileus.domain.network.ports import AddressPair, Port
from pileus.domain.network.reserved_fixed_ips import (
    NewReservedFixedIP,
    ReservedFixedIP,
    is_connected_to_vip,
    plan_vip_connections,
    require_vip,
)
from pileus.domain.network.task_types import (
    CONVERT_RESERVED_FIXED_IP,
    CREATE_RESERVED_FIXED_IP,
    DELETE_RESERVED_FIXED_IP,
    ConvertReservedFixedIPToFloatingIPArgs,
    CreateReservedFixedIPArgs,
    DeleteReservedFixedIPArgs,
)
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.network.ddos_profiles import lock_profiles_of_ports
from pileus.services.network.interfaces import InterfaceOwner, add_port_with_addresses
from pileus.services.network.ports import start_address_pairs_update
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports, reserved_fixed_ips

AUDIT_GROUP = "reserved_fixed_ip"
IPV4, IPV6 = 4, 6


async def create_reserved_fixed_ip(
    tx: Tx, ctx: Context, new: NewReservedFixedIP, task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Save a reserved port, new or an instance's, and start the task that reserves its addresses.

    Raises NotFound, Invalid, Conflict, QuotaExceeded or NoCapacity.
    """
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    if new.interface is None:
        port = await _reserve_existing_port(tx, ctx, new.port_id, task_id)
    else:
        port = await _reserve_new_port(tx, ctx, new.interface, task_id, is_vip=new.is_vip)
    args = CreateReservedFixedIPArgs(port_id=port.id, made=new.interface is not None)
    data = {"port_id": port.id, **audit_data}
    entry = AuditEntry(AUDIT_GROUP, "create", port.id, audit_data)
    return await start_task(tx, ctx, task_id, CREATE_RESERVED_FIXED_IP, args, data=data, entry=entry)


async def update_reserved_fixed_ip(tx: Tx, ctx: Context, port_id: str, *, is_vip: bool) -> None:
    """Make a reserved fixed IP a virtual IP, or a plain one again. Raises Conflict if an instance uses it."""
    reserved = await reserved_fixed_ips.get(tx, ctx.place, port_id)
    await ports.save(tx, reserved.port, reserved.port_with_vip(ctx.now(), is_vip=is_vip))
    await write_audit_entry(
        tx, ctx, AuditEntry(AUDIT_GROUP, "update", port_id, {"is_vip": is_vip}, name=reserved.port.name)
    )


async def connect_devices_to_vip(
    tx: Tx, ctx: Context, vip_port_id: str, port_ids: Iterable[str], *, keep_connected: bool
) -> list[Task]:
    """Connect instances' ports to a virtual IP, and disconnect the others unless `keep_connected`.

    Starts and returns a task for each instance with a port that changes. Raises NotFound, Invalid or Conflict.
    """
    vip = require_vip(await reserved_fixed_ips.get(tx, ctx.place, vip_port_id))
    requested_ids = list(port_ids)
    requested = [await ports.get(tx, ctx.place, port_id) for port_id in dict.fromkeys(requested_ids)]
    connected = await _list_connected_ports(tx, ctx, vip)
    changes: dict[str | None, list[tuple[Port, list[AddressPair]]]] = {}
    for port, pairs in plan_vip_connections(vip, connected, requested, keep_others=keep_connected):
        changes.setdefault(port.instance_id, []).append((port, pairs))
    audit_data = {"vip_port_id": vip_port_id}
    started = [
        await start_address_pairs_update(tx, ctx, of_instance, ctx.new_ordered_id(), audit_data=audit_data)
        for of_instance in changes.values()
    ]
    await ports.save(tx, vip.port, vip.port_with_vip(ctx.now(), is_vip=True))
    entry = AuditEntry("vip_ip_addresses", "update", vip_port_id, {"port_ids": requested_ids}, name=vip.port.name)
    await write_audit_entry(tx, ctx, entry)
    return started


async def convert_to_floating_ip(
    tx: Tx, ctx: Context, port_id: str, task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Lock an unused public IPv4 address and start the task that replaces it by a floating IP."""
    reserved = (await reserved_fixed_ips.get(tx, ctx.place, port_id)).require_free()
    if (
        not reserved.network.external
        or reserved.address_of_version(IPV4) is None
        or reserved.address_of_version(IPV6) is not None
    ):
        raise Invalid(f"Reserved fixed IP {port_id} is not a public IPv4 address alone")
    await ports.save(tx, reserved.port, reserved.port.locked(task_id))
    await check_quotas(tx, ctx, {"floating_count": 1})
    args = ConvertReservedFixedIPToFloatingIPArgs(port_id=port_id, new_id=ctx.new_id())
    entry = AuditEntry(AUDIT_GROUP, "update", port_id, audit_data)
    return await start_task(tx, ctx, task_id, CONVERT_RESERVED_FIXED_IP, args, data={"port_id": port_id}, entry=entry)


async def delete_reserved_fixed_ip(tx: Tx, ctx: Context, port_id: str, task_id: str) -> Task:
    """Lock an unused reserved fixed IP with its floating IPs and DDoS profiles, and start the task that releases it."""
    port = (await reserved_fixed_ips.get(tx, ctx.place, port_id)).require_free().port
    await ports.save(tx, port, port.locked(task_id))
    for floating_ip in await floating_ips.list_by_port(tx, port_id):
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    profiles = await lock_profiles_of_ports(tx, [port], task_id)
    args = DeleteReservedFixedIPArgs(port_id=port_id, profiles=profiles)
    entry = AuditEntry(AUDIT_GROUP, "delete", port_id, name=port.name)
    return await start_task(tx, ctx, task_id, DELETE_RESERVED_FIXED_IP, args, data={"port_id": port_id}, entry=entry)


async def _reserve_new_port(tx: Tx, ctx: Context, interface: NewInterface, task_id: str, *, is_vip: bool) -> Port:
    await check_quotas(tx, ctx, {"external_ip_count": int(interface.type == InterfaceType.EXTERNAL)})
    owner = InterfaceOwner(task_id=task_id)
    port, ips = await add_port_with_addresses(tx, ctx, owner, interface, reserved=True, is_vip=is_vip)
    return await ports.save(tx, port, port.as_reserved(ips))


async def _reserve_existing_port(tx: Tx, ctx: Context, port_id: str, task_id: str) -> Port:
    port = await ports.get(tx, ctx.place, port_id)
    if port.reserved:
        raise Invalid(f"Port {port.id} is a reserved fixed IP already")
    if port.vrrp_role is not None:
        raise Invalid(f"Port {port.id} belongs to a machine of load balancer {port.load_balancer_id}")
    if port.instance_id is not None:
        (await instances.get_for_use(tx, ctx.place, port.instance_id)).require_unlocked()
    ips = [assigned.ip for assigned in await ports.list_addresses(tx, port.id)]
    return await ports.save(tx, port, port.locked(task_id).as_reserved(ips))


async def _list_connected_ports(tx: Tx, ctx: Context, vip: ReservedFixedIP) -> list[Port]:
    neighbours = await reserved_fixed_ips.list_instance_ports(tx, ctx.place, vip.network.id)
    return [port for port in neighbours if is_connected_to_vip(vip, port)]
