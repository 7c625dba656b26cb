"""Update the security groups, port security and allowed address pairs of ports.

The records have their new values from the start of the task. An update of the security groups locks nothing and is not
undone: concurrent tasks apply what is saved, and a failed update can be repeated. So it looks again after each change,
and waits while another task attaches or detaches the port. A failed update of the address pairs restores them.
"""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from pileus.domain.network.ports import Port
from pileus.domain.network.task_types import (
    UPDATE_ADDRESS_PAIRS,
    UPDATE_PORTS,
    UpdateAddressPairsArgs,
    UpdatePortSecurityArgs,
)
from pileus.drivers.protocols.errors import NotYetDone
from pileus.drivers.protocols.network import NicSpec, SupportsInterfaces
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.tasks.compute.machines import load_nic_spec, unlock_instance
from pileus.tasks.network.security_groups import apply_default_groups
from pileus.tasks.operation import Operation, Step, TaskContext

AttachedInterface = tuple[str, NicSpec]
"""The id of an instance and one of its interfaces."""
LOCK_WAIT = 1.0
"""Seconds until an update looks again whether another task still locks a port."""


async def unlock_port(tx: Tx, port_id: str) -> None:
    """Save a port as unlocked, otherwise unchanged. Raises NotFound."""
    port = await ports.require(tx, port_id)
    await ports.save(tx, port, replace(port, task_id=None))


async def _update_ports(ctx: TaskContext[UpdatePortSecurityArgs]) -> None:
    """Send those ports to the driver that still exist and are attached."""
    if isinstance(ctx.driver, SupportsInterfaces):
        for port_id in ctx.args.port_ids:
            await _apply_until_unchanged(ctx, ctx.driver, port_id)


async def _apply_until_unchanged(
    ctx: TaskContext[UpdatePortSecurityArgs], driver: SupportsInterfaces, port_id: str
) -> None:
    """Send an interface until its record is still the same afterwards.

    The port may have been changed or detached while the driver worked, by a task that has ended before it.
    """
    sent: AttachedInterface | UnsetType | None = UNSET
    while (interface := await _load_interface(ctx, port_id)) != sent:
        if interface is not None:
            instance_id, nic = interface
            await apply_default_groups(ctx, nic.groups)
            await driver.ensure_interface(instance_id, nic)
        elif ctx.args.instance_id is not None:
            await driver.ensure_no_interface(ctx.args.instance_id, port_id)
        sent = interface


async def _load_interface(ctx: TaskContext[UpdatePortSecurityArgs], port_id: str) -> AttachedInterface | None:
    """Return the instance and the interface of a port, or None if it is not attached.

    Raises NotYetDone while another task attaches or detaches it, or deletes its instance.
    """
    async with ctx.db.read() as tx:
        port = await ports.find(tx, port_id)
        instance = await instances.find(tx, port.instance_id) if port and port.instance_id else None
        if (port and port.task_id) or (instance and instance.task_state == "deleting"):
            raise NotYetDone(LOCK_WAIT)
        return (instance.id, await load_nic_spec(tx, port)) if port and instance else None


async def _save_nothing(_tx: Tx, _ctx: TaskContext[UpdatePortSecurityArgs]) -> None:
    return None


async def _apply_address_pairs(ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    for port in await _load_ports(ctx):
        await _apply(ctx, port)


async def _restore_address_pairs(ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    for port in await _load_ports(ctx):
        await _apply(ctx, replace(port, allowed_address_pairs=ctx.args.before_by_port[port.id]))


async def _load_ports(ctx: TaskContext[UpdateAddressPairsArgs]) -> list[Port]:
    async with ctx.db.read() as tx:
        return [await ports.require(tx, port_id) for port_id in ctx.args.before_by_port]


async def _apply(ctx: TaskContext[UpdateAddressPairsArgs], port: Port) -> None:
    """Send an attached port to the driver; a detached one is sent when it is attached."""
    if port.instance_id is not None and isinstance(ctx.driver, SupportsInterfaces):
        async with ctx.db.read() as tx:
            nic = await load_nic_spec(tx, port)
        await ctx.driver.ensure_interface(port.instance_id, nic)


async def _unlock(tx: Tx, ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    for port_id in ctx.args.before_by_port:
        await unlock_port(tx, port_id)
    if ctx.args.instance_id is not None:
        await unlock_instance(tx, ctx.args.instance_id)


async def _save_previous_address_pairs(tx: Tx, ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    for port_id, before in ctx.args.before_by_port.items():
        port = await ports.require(tx, port_id)
        await ports.save(tx, port, replace(port, task_id=None, allowed_address_pairs=before))
    if ctx.args.instance_id is not None:
        await unlock_instance(tx, ctx.args.instance_id)


OPERATIONS = (
    Operation(
        UPDATE_PORTS,
        steps=(Step("update interfaces", _update_ports),),
        done=_save_nothing,
        failed=_save_nothing,
    ),
    Operation(
        UPDATE_ADDRESS_PAIRS,
        steps=(Step("update allowed address pairs", _apply_address_pairs, undo=_restore_address_pairs),),
        done=_unlock,
        failed=_save_previous_address_pairs,
    ),
)
