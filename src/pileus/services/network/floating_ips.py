"""Allocate, assign, unassign, update, convert and delete floating IPs."""

from typing import Any

from msgspec import UNSET, UnsetType, to_builtins
from msgspec.structs import asdict

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, Invalid
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPPatch, FloatingIPTarget, choose_fixed_address
from pileus.domain.network.ports import Port
from pileus.domain.network.task_types import (
    CONVERT_FLOATING_IP,
    CREATE_FLOATING_IP,
    DELETE_FLOATING_IP,
    UPDATE_FLOATING_IP,
    ConvertFloatingIPToReservedFixedIPArgs,
    DeleteFloatingIPArgs,
    FloatingIPTaskArgs,
    UpdateFloatingIPArgs,
)
from pileus.domain.tags import TagPatch, check_tag_count, make_tags, merged_tags, validate_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.network.ddos_profiles import lock_profiles_of_floating_ips
from pileus.services.network.ports import lock_port_for_use
from pileus.services.tags import add_tags, patch_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, networks, ports, routers, subnets

AUDIT_GROUP = "floating_ip"


async def create_floating_ip(
    tx: Tx,
    ctx: Context,
    task_id: str,
    *,
    port_id: str | None,
    fixed_ip_address: str | None,
    user_tags: dict[str, str],
    audit_data: dict[str, Any],
) -> Task:
    """Allocate a floating IP, assigned to `port_id` if that is given, and start the task that creates it.

    Raises NotFound, Invalid, Conflict, QuotaExceeded or NoCapacity.
    """
    ctx.require_region()
    new_tags = make_tags(validate_tags(user_tags).items())
    await projects.require_active(tx, ctx.place)
    await check_quotas(tx, ctx, {"floating_count": 1})
    target = await _resolve_target(tx, ctx, port_id, fixed_ip_address)
    floating_ip = await allocate_floating_ip(tx, ctx, task_id, target)
    await add_tags(tx, ctx, floating_ips.KIND, floating_ip.id, new_tags)
    args = FloatingIPTaskArgs(floating_ip_id=floating_ip.id)
    data = {"floating_ip_id": floating_ip.id, **audit_data}
    entry = AuditEntry(AUDIT_GROUP, "create", floating_ip.id, audit_data)
    return await start_task(tx, ctx, task_id, CREATE_FLOATING_IP, args, data=data, entry=entry)


async def allocate_floating_ip(tx: Tx, ctx: Context, task_id: str, target: FloatingIPTarget) -> FloatingIP:
    """Save a floating IP with a free address of the region's external network. Raises NoCapacity.

    It has its target at once, but the status DOWN until the task has assigned it.
    """
    (subnet,) = await subnets.choose_subnets_to_allocate_from(
        tx, ctx.catalogue.external_network_id(ctx.place.region_id), "ipv4"
    )
    place, now = ctx.place, ctx.now()
    floating_ip = FloatingIP(
        id=ctx.new_id(),
        **asdict(place),
        floating_ip_address="",
        **asdict(target),
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )
    await floating_ips.add(tx, floating_ip)
    ip = await addresses.allocate(tx, subnet, floating_ip_id=floating_ip.id)
    return await floating_ips.save(tx, floating_ip, floating_ip.with_address(ip))


async def resolve_target_on_port(tx: Tx, port: Port, fixed_ip_address: str | None) -> FloatingIPTarget:
    """Return the target at an address of a port: `fixed_ip_address`, or else the first IPv4 address.

    Raises Invalid if the port has no such address, or if no router connects it to an external network, and Conflict if
    the address has a floating IP.
    """
    network = await networks.require(tx, port.network_id)
    if network.external:
        raise Invalid(f"Port {port.id} is in a public network: it needs no floating IP")
    assigned = choose_fixed_address(port, await ports.list_addresses(tx, port.id), fixed_ip_address)
    if other := await floating_ips.find_by_fixed_address(tx, port.id, assigned.ip):
        raise Conflict(f"Floating IP {other.id} is assigned to address {assigned.ip} of port {port.id} already")
    router = await routers.find_router_with_gateway_for_use(tx, assigned.subnet_id)
    if router is None:
        raise Invalid(
            f"No external network is reachable from subnet(s): {assigned.subnet_id}. Therefore, cannot associate port"
            f" {port.id} with a floating IP."
        )
    return FloatingIPTarget(port.id, assigned.ip, router.id)


async def update_floating_ip(
    tx: Tx, ctx: Context, floating_ip_id: str, patch: FloatingIPPatch, task_id: str
) -> Task | None:
    """Start the task that applies a patch of target and tags; return None if it changes nothing."""
    return await _start_update(tx, ctx, floating_ip_id, patch, "update", task_id)


async def assign_floating_ip(
    tx: Tx, ctx: Context, floating_ip_id: str, port_id: str, fixed_ip_address: str | None, task_id: str
) -> Task | None:
    """Start the task that assigns the floating IP to a port; return None if it is assigned there already."""
    patch = FloatingIPPatch(port_id=port_id, fixed_ip_address=fixed_ip_address)
    return await _start_update(tx, ctx, floating_ip_id, patch, "attach", task_id)


async def unassign_floating_ip(tx: Tx, ctx: Context, floating_ip_id: str, task_id: str) -> Task | None:
    """Start the task that unassigns the floating IP; return None if it is not assigned."""
    return await _start_update(tx, ctx, floating_ip_id, FloatingIPPatch(port_id=None), "detach", task_id)


async def update_floating_ip_tags(
    tx: Tx, ctx: Context, floating_ip_id: str, changes: TagPatch | UnsetType | None
) -> None:
    """Apply a merge patch to the tags, without a task."""
    floating_ip = (await floating_ips.get_for_change(tx, ctx.place, floating_ip_id)).require_unlocked()
    patch = FloatingIPPatch()
    if not isinstance(changes, UnsetType):
        patch["tags"] = None if changes is None else validate_tags(changes)
        await patch_tags(tx, ctx, floating_ips.KIND, floating_ip.id, patch["tags"])
    await write_audit_entry(tx, ctx, AuditEntry(AUDIT_GROUP, "update", floating_ip.id, to_builtins(patch)))


async def convert_to_reserved_fixed_ip(
    tx: Tx, ctx: Context, floating_ip_id: str, task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Lock an unassigned floating IP and start the task that replaces it by a reserved fixed IP."""
    floating_ip = await floating_ips.get(tx, ctx.place, floating_ip_id)
    await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    if floating_ip.port_id is not None:
        raise Conflict(f"Floating IP {floating_ip.id} is assigned to port {floating_ip.port_id}: unassign it first")
    await check_quotas(tx, ctx, {"external_ip_count": 1})
    args = ConvertFloatingIPToReservedFixedIPArgs(floating_ip_id=floating_ip.id, new_id=ctx.new_id())
    data = {"floating_ip_id": floating_ip.id}
    entry = AuditEntry(AUDIT_GROUP, "update", floating_ip.id, audit_data)
    return await start_task(tx, ctx, task_id, CONVERT_FLOATING_IP, args, data=data, entry=entry)


async def delete_floating_ip(tx: Tx, ctx: Context, floating_ip_id: str, task_id: str) -> Task:
    """Lock a floating IP, assigned or not, with its DDoS profile, and start the task that deletes both."""
    before = await floating_ips.get(tx, ctx.place, floating_ip_id)
    floating_ip = await floating_ips.save(tx, before, before.locked(task_id))
    profiles = await lock_profiles_of_floating_ips(tx, [floating_ip], task_id)
    args = DeleteFloatingIPArgs(floating_ip_id=floating_ip.id, profiles=profiles)
    data = {"floating_ip_id": floating_ip.id, "floating_ip_address": floating_ip.floating_ip_address}
    entry = AuditEntry(AUDIT_GROUP, "delete", floating_ip.id, data)
    return await start_task(tx, ctx, task_id, DELETE_FLOATING_IP, args, data=data, entry=entry)


async def _start_update(
    tx: Tx, ctx: Context, floating_ip_id: str, patch: FloatingIPPatch, action: str, task_id: str
) -> Task | None:
    floating_ip = (await floating_ips.get(tx, ctx.place, floating_ip_id)).require_unlocked()
    target = await _new_target(tx, ctx, floating_ip, patch)
    tags_change = await _changes_tags(tx, ctx, floating_ip, patch)
    if target is None and not tags_change:
        return None
    await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    patch_data = to_builtins(patch)
    args = UpdateFloatingIPArgs(
        floating_ip_id=floating_ip.id, target=target, tags=patch_data["tags"] if tags_change else UNSET
    )
    data = {"floating_ip_id": floating_ip.id, **patch_data}
    entry = AuditEntry(AUDIT_GROUP, action, floating_ip.id, patch_data)
    return await start_task(tx, ctx, task_id, UPDATE_FLOATING_IP, args, data=data, entry=entry)


async def _new_target(tx: Tx, ctx: Context, floating_ip: FloatingIP, patch: FloatingIPPatch) -> FloatingIPTarget | None:
    """Return the target that a patch asks for, or None if the target does not change."""
    if "port_id" not in patch and "fixed_ip_address" not in patch:
        return None
    port_id, fixed_ip_address = patch.get("port_id", floating_ip.port_id), patch.get("fixed_ip_address")
    if port_id == floating_ip.port_id and fixed_ip_address in (None, floating_ip.fixed_ip_address):
        return None
    if port_id is None and floating_ip.port_id is None:
        return None
    return await _resolve_target(tx, ctx, port_id, fixed_ip_address)


async def _changes_tags(tx: Tx, ctx: Context, floating_ip: FloatingIP, patch: FloatingIPPatch) -> bool:
    if "tags" not in patch:
        return False
    old_tags = await tags.list_by_resource(tx, floating_ip.id)
    new_tags = merged_tags(old_tags, patch["tags"])
    check_tag_count(old_tags, new_tags, ctx.tag_limit)
    return new_tags != old_tags


async def _resolve_target(tx: Tx, ctx: Context, port_id: str | None, fixed_ip_address: str | None) -> FloatingIPTarget:
    """Return the target at a port. Port and instance must be unlocked.

    Raises NotFound, Invalid or Conflict.
    """
    if port_id is None:
        return FloatingIPTarget()
    port = await lock_port_for_use(tx, ctx, port_id)
    return await resolve_target_on_port(tx, port, fixed_ip_address)
