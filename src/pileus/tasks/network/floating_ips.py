"""Create, update, delete and convert floating IPs.

The address is allocated from the start of a creation; a failure frees it again. A failure of another operation leaves
the floating IP as it was. An update is saved when the driver has applied it; it fails if the port has been deleted, has
got another floating IP or has lost its router by then.
"""

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import asdict, replace

from pileus.domain.errors import Conflict, not_found
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPTarget
from pileus.domain.network.ports import AssignedAddress, Port, derive_mac_address
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
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.network import FloatingIPSpec
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.network import floating_ips, networks, ports, routers
from pileus.tasks.capabilities import require_floating_ip_support
from pileus.tasks.network import ddos_profiles
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _load_floating_ip(ctx: TaskContext[FloatingIPTaskArgs]) -> FloatingIP:
    async with ctx.db.read() as tx:
        return await floating_ips.require(tx, ctx.args.floating_ip_id)


async def assign_floating_ips(ctx: TaskContext[object], assigned: Iterable[FloatingIP]) -> None:
    """Assign each floating IP to the target in its record, in the driver."""
    for floating_ip in assigned:
        await _assign(ctx, floating_ip, floating_ip.target)


async def unassign_floating_ips(ctx: TaskContext[object], assigned: Iterable[FloatingIP]) -> None:
    """Unassign each floating IP in the driver; the records stay."""
    for floating_ip in assigned:
        await _assign(ctx, floating_ip, FloatingIPTarget())


async def _assign(ctx: TaskContext[object], floating_ip: FloatingIP, target: FloatingIPTarget) -> None:
    driver = require_floating_ip_support(ctx.driver)
    async with ctx.db.read() as tx:
        spec = await floating_ip_spec(tx, floating_ip, target)
    if spec is None:
        await driver.ensure_no_floating_ip(floating_ip.id)
    else:
        await driver.ensure_floating_ip(spec)


async def floating_ip_spec(tx: Tx, floating_ip: FloatingIP, target: FloatingIPTarget) -> FloatingIPSpec | None:
    """Return a floating IP as drivers see it, or None if it is not assigned."""
    if target.port_id is None or target.fixed_ip_address is None:
        return None
    port = await ports.find(tx, target.port_id)
    return FloatingIPSpec(
        id=floating_ip.id,
        region_id=floating_ip.region_id,
        ip_address=floating_ip.floating_ip_address,
        port_id=target.port_id,
        fixed_ip_address=target.fixed_ip_address,
        network_id=port.network_id if port else None,
    )


async def _assign_as_saved(ctx: TaskContext[FloatingIPTaskArgs]) -> None:
    await assign_floating_ips(ctx, [await _load_floating_ip(ctx)])


async def _unassign(ctx: TaskContext[FloatingIPTaskArgs]) -> None:
    await unassign_floating_ips(ctx, [await _load_floating_ip(ctx)])


async def _unlock(tx: Tx, ctx: TaskContext[FloatingIPTaskArgs]) -> None:
    floating_ip = await floating_ips.require(tx, ctx.args.floating_ip_id)
    await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))


async def _save_created(tx: Tx, ctx: TaskContext[FloatingIPTaskArgs]) -> CreatedResources:
    floating_ip = await floating_ips.require(tx, ctx.args.floating_ip_id)
    await floating_ips.save(tx, floating_ip, floating_ip.assigned_to(floating_ip.target, ctx.now()))
    return created_resources_by_kind(floatingips=[floating_ip.id])


async def _remove_created(tx: Tx, ctx: TaskContext[FloatingIPTaskArgs]) -> None:
    await floating_ips.remove(tx, ctx.args.floating_ip_id)


async def _apply_update(ctx: TaskContext[UpdateFloatingIPArgs]) -> None:
    floating_ip = await _load_floating_ip(ctx)
    await _assign(ctx, floating_ip, ctx.args.target or floating_ip.target)


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateFloatingIPArgs]) -> None:
    floating_ip = await floating_ips.require(tx, ctx.args.floating_ip_id)
    target = floating_ip.target
    if ctx.args.target and ctx.args.target != target:
        target = await _resolve_target_again(tx, floating_ip, ctx.args.target)
    await floating_ips.save(tx, floating_ip, floating_ip.assigned_to(target, ctx.now()))
    if ctx.args.tags is not UNSET:
        await tags.patch(tx, floating_ips.KIND, ctx.task.place, floating_ip.id, ctx.args.tags)


async def _resolve_target_again(tx: Tx, floating_ip: FloatingIP, target: FloatingIPTarget) -> FloatingIPTarget:
    """Return the target with the router that connects it now, which is locked for use.

    Raises NotFound if the port lost its address during the task, or Conflict if that got another floating IP, or no
    router connects it to an external network any more.
    """
    if target.port_id is None or target.fixed_ip_address is None:
        return target
    subnet_ids = {address.ip: address.subnet_id for address in await ports.list_addresses(tx, target.port_id)}
    if target.fixed_ip_address not in subnet_ids:
        raise not_found("Port", target.port_id)
    if other := await floating_ips.find_by_fixed_address(tx, target.port_id, target.fixed_ip_address):
        raise Conflict(f"Floating IP {other.id} is assigned to port {target.port_id} already")
    if target.router_id is None:
        # Tasks of former versions name no router.
        return target
    router = await routers.find_router_with_gateway_for_use(tx, subnet_ids[target.fixed_ip_address])
    if router is None:
        raise Conflict(f"No router connects port {target.port_id} any more: floating IP {floating_ip.id} needs one")
    return replace(target, router_id=router.id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteFloatingIPArgs]) -> None:
    await ddos_profiles.delete_profile_records(tx, ctx)
    floating_ip = await floating_ips.require(tx, ctx.args.floating_ip_id)
    await metering.save_usage_until_now(tx, [floating_ip], ctx.now())
    await floating_ips.remove(tx, floating_ip.id)


async def _unlock_with_profiles(tx: Tx, ctx: TaskContext[DeleteFloatingIPArgs]) -> None:
    await ddos_profiles.unlock_profiles(tx, ctx)
    await _unlock(tx, ctx)


async def _convert_to_reserved_fixed_ip(
    tx: Tx, ctx: TaskContext[ConvertFloatingIPToReservedFixedIPArgs]
) -> CreatedResources:
    """Replace the floating IP by a port with the same address, which is not free in between."""
    floating_ip, now = await floating_ips.require(tx, ctx.args.floating_ip_id), ctx.now()
    subnet_id, network_id = await networks.get_subnet_and_network_id_of_floating_ip(tx, floating_ip.id)
    await metering.save_usage_until_now(tx, [floating_ip], now)
    await floating_ips.remove(tx, floating_ip.id)
    port = Port(
        id=ctx.args.new_id,
        **asdict(floating_ip.place),
        network_id=network_id,
        external=True,
        mac_address=derive_mac_address(ctx.args.new_id),
        creator_task_id=ctx.task.id,
        created_at=now,
        updated_at=now,
    )
    ip = floating_ip.floating_ip_address
    await ports.add(tx, port.as_reserved([ip]))
    await ports.add_address(tx, AssignedAddress(subnet_id=subnet_id, ip=ip, port_id=port.id))
    return created_resources_by_kind(ports=[port.id])


OPERATIONS = (
    Operation(
        CREATE_FLOATING_IP,
        steps=(Step("assign the floating IP", _assign_as_saved, undo=_unassign),),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        UPDATE_FLOATING_IP,
        steps=(Step("update the floating IP", _apply_update, undo=_assign_as_saved),),
        done=_save_updated,
        failed=_unlock,
    ),
    Operation(
        DELETE_FLOATING_IP,
        steps=(
            Step("unassign the floating IP", _unassign, undo=_assign_as_saved),
            Step("remove DDoS protection", ddos_profiles.remove_protection, undo=ddos_profiles.protect_addresses),
        ),
        done=_remove_deleted,
        failed=_unlock_with_profiles,
    ),
    Operation(CONVERT_FLOATING_IP, steps=(), done=_convert_to_reserved_fixed_ip, failed=_unlock),
)
