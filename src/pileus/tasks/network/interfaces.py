"""Attach and detach the interfaces of instances.

A failed attachment leaves neither port nor DDoS profiles behind; a reserved port stays, detached again. A failed
detachment leaves all as it was.
"""

from msgspec.structs import replace

from pileus.domain.network.task_types import (
    ATTACH_INTERFACE,
    ATTACH_RESERVED_FIXED_IP,
    DETACH_INTERFACE,
    AttachOrDetachInterfaceArgs,
)
from pileus.services.network.interfaces import remove_or_release_port
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.capabilities import require_interface_support
from pileus.tasks.compute.machines import load_nic_spec, unlock_instance
from pileus.tasks.network import ddos_profiles
from pileus.tasks.network.floating_ips import assign_floating_ips, unassign_floating_ips
from pileus.tasks.network.ports import unlock_port
from pileus.tasks.network.security_groups import apply_default_groups
from pileus.tasks.operation import Operation, Step, TaskContext


async def _attach_interface(ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    async with ctx.db.read() as tx:
        nic = await load_nic_spec(tx, await ports.require(tx, ctx.args.port_id))
        assigned = await floating_ips.list_by_port(tx, nic.port_id)
    await apply_default_groups(ctx, nic.groups)
    await require_interface_support(ctx.driver).ensure_interface(ctx.args.instance_id, nic)
    await assign_floating_ips(ctx, assigned)


async def _detach_interface(ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    kept_ids = ctx.args.kept_floating_ips
    async with ctx.db.read() as tx:
        assigned = await floating_ips.list_by_port(tx, ctx.args.port_id)
    await unassign_floating_ips(ctx, [floating_ip for floating_ip in assigned if floating_ip.id not in kept_ids])
    await require_interface_support(ctx.driver).ensure_no_interface(ctx.args.instance_id, ctx.args.port_id)


async def _save_attached(tx: Tx, ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    await unlock_port(tx, ctx.args.port_id)
    await ddos_profiles.unlock_profiles(tx, ctx)
    await unlock_instance(tx, ctx.args.instance_id)


async def _remove_attached(tx: Tx, ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    port = await ports.require(tx, ctx.args.port_id)
    await ddos_profiles.delete_profile_records(tx, ctx)
    await remove_or_release_port(tx, port, ctx.now(), save_usage=False, kept_floating_ip_ids=ctx.args.kept_floating_ips)
    await unlock_instance(tx, ctx.args.instance_id)


async def _remove_detached(tx: Tx, ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    port = await ports.require(tx, ctx.args.port_id)
    await ddos_profiles.delete_profile_records(tx, ctx)
    await remove_or_release_port(tx, port, ctx.now())
    await unlock_instance(tx, ctx.args.instance_id)


async def _unlock_all(tx: Tx, ctx: TaskContext[AttachOrDetachInterfaceArgs]) -> None:
    await ddos_profiles.unlock_profiles(tx, ctx)
    for floating_ip in await floating_ips.list_by_port(tx, ctx.args.port_id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await unlock_port(tx, ctx.args.port_id)
    await unlock_instance(tx, ctx.args.instance_id)


_ATTACHMENT = (
    Step("attach the interface", _attach_interface, undo=_detach_interface),
    Step("apply DDoS protection", ddos_profiles.protect_addresses, undo=ddos_profiles.remove_protection),
)
_DETACHMENT = (
    Step("detach the interface", _detach_interface, undo=_attach_interface),
    Step("remove DDoS protection", ddos_profiles.remove_protection, undo=ddos_profiles.protect_addresses),
)
OPERATIONS = (
    Operation(ATTACH_INTERFACE, steps=_ATTACHMENT, done=_save_attached, failed=_remove_attached),
    Operation(ATTACH_RESERVED_FIXED_IP, steps=_ATTACHMENT, done=_save_attached, failed=_remove_attached),
    Operation(DETACH_INTERFACE, steps=_DETACHMENT, done=_remove_detached, failed=_unlock_all),
)
