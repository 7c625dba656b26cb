"""Create, delete and convert reserved fixed IPs, which are ports that outlive their instance.

A reserved port that is not attached is unknown to the driver. A failed creation leaves nothing behind; a failure of
another operation leaves the port as it was.
"""

from msgspec.structs import asdict, replace

from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.task_types import (
    CONVERT_RESERVED_FIXED_IP,
    CREATE_RESERVED_FIXED_IP,
    DELETE_RESERVED_FIXED_IP,
    ConvertReservedFixedIPToFloatingIPArgs,
    CreateReservedFixedIPArgs,
    DeleteReservedFixedIPArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.services.network.interfaces import remove_or_release_port
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.network import ddos_profiles
from pileus.tasks.network.floating_ips import assign_floating_ips, unassign_floating_ips
from pileus.tasks.network.ports import unlock_port
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _save_created(tx: Tx, ctx: TaskContext[CreateReservedFixedIPArgs]) -> CreatedResources:
    await unlock_port(tx, ctx.args.port_id)
    return created_resources_by_kind(ports=[ctx.args.port_id])


async def _undo_creation(tx: Tx, ctx: TaskContext[CreateReservedFixedIPArgs]) -> None:
    port = await ports.require(tx, ctx.args.port_id)
    if ctx.args.made:
        await ports.remove(tx, port.id)
    else:
        await ports.save(tx, port, replace(port, task_id=None, reserved=False, name=""))


async def _unassign_floating_ips(ctx: TaskContext[DeleteReservedFixedIPArgs]) -> None:
    await unassign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _assign_floating_ips(ctx: TaskContext[DeleteReservedFixedIPArgs]) -> None:
    await assign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _load_floating_ips(ctx: TaskContext[DeleteReservedFixedIPArgs]) -> list[FloatingIP]:
    async with ctx.db.read() as tx:
        return await floating_ips.list_by_port(tx, ctx.args.port_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteReservedFixedIPArgs]) -> None:
    port = await ports.require(tx, ctx.args.port_id)
    await ddos_profiles.delete_profile_records(tx, ctx)
    await remove_or_release_port(tx, port, ctx.now(), deleted_port_ids=[port.id])


async def _unlock_all(tx: Tx, ctx: TaskContext[DeleteReservedFixedIPArgs]) -> None:
    await ddos_profiles.unlock_profiles(tx, ctx)
    for floating_ip in await floating_ips.list_by_port(tx, ctx.args.port_id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await unlock_port(tx, ctx.args.port_id)


async def _convert_to_floating_ip(tx: Tx, ctx: TaskContext[ConvertReservedFixedIPToFloatingIPArgs]) -> CreatedResources:
    """Replace the port by a floating IP with the same address, which is not free in between."""
    port, now = await ports.require(tx, ctx.args.port_id), ctx.now()
    (address,) = await ports.list_addresses(tx, port.id)
    await metering.save_usage_until_now(tx, [port], now)
    await ports.remove(tx, port.id)
    floating_ip = FloatingIP(
        id=ctx.args.new_id,
        **asdict(port.place),
        floating_ip_address=address.ip,
        creator_task_id=ctx.task.id,
        created_at=now,
        updated_at=now,
    )
    await floating_ips.add(tx, floating_ip)
    converted = AssignedAddress(subnet_id=address.subnet_id, ip=address.ip, floating_ip_id=floating_ip.id)
    await ports.add_address(tx, converted)
    return created_resources_by_kind(floatingips=[floating_ip.id])


async def _unlock(tx: Tx, ctx: TaskContext[ConvertReservedFixedIPToFloatingIPArgs]) -> None:
    await unlock_port(tx, ctx.args.port_id)


OPERATIONS = (
    Operation(CREATE_RESERVED_FIXED_IP, steps=(), done=_save_created, failed=_undo_creation),
    Operation(
        DELETE_RESERVED_FIXED_IP,
        steps=(
            Step("unassign floating IPs", _unassign_floating_ips, undo=_assign_floating_ips),
            Step("remove DDoS protection", ddos_profiles.remove_protection, undo=ddos_profiles.protect_addresses),
        ),
        done=_remove_deleted,
        failed=_unlock_all,
    ),
    Operation(CONVERT_RESERVED_FIXED_IP, steps=(), done=_convert_to_floating_ip, failed=_unlock),
)
