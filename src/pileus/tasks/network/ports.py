"""Update the security groups, port security and allowed address pairs of ports.

The records have their new values from the start of the task. An update of the security groups locks nothing and is not
undone: concurrent tasks apply what is saved, and a failed update can be repeated. A failed update of the address pairs
restores them.
"""

from msgspec.structs import replace

from pileus.domain.network.ports import Port
from pileus.domain.network.task_types import (
    UPDATE_ADDRESS_PAIRS,
    UPDATE_PORTS,
    UpdateAddressPairsArgs,
    UpdatePortSecurityArgs,
)
from pileus.drivers.protocols.network import SupportsInterfaces
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.tasks.compute.machines import load_nic_spec, unlock_instance
from pileus.tasks.network.security_groups import apply_default_groups
from pileus.tasks.operation import Operation, Step, TaskContext


async def unlock_port(tx: Tx, port_id: str) -> None:
    """Save a port as unlocked, otherwise unchanged. Raises NotFound."""
    port = await ports.require(tx, port_id)
    await ports.save(tx, port, replace(port, task_id=None))


async def _update_ports(ctx: TaskContext[UpdatePortSecurityArgs]) -> None:
    """Send those ports to the driver that still exist and are attached."""
    for port_id in ctx.args.port_ids:
        async with ctx.db.read() as tx:
            port = await ports.find(tx, port_id)
            nic = await load_nic_spec(tx, port) if port else None
        if port is None or nic is None or port.instance_id is None or not isinstance(ctx.driver, SupportsInterfaces):
            continue
        await apply_default_groups(ctx, nic.groups)
        await ctx.driver.ensure_interface(port.instance_id, nic)


async def _save_nothing(_tx: Tx, _ctx: TaskContext[UpdatePortSecurityArgs]) -> None:
    return None


async def _apply_address_pairs(ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    await _apply(ctx, await _load_port(ctx))


async def _restore_address_pairs(ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    await _apply(ctx, replace(await _load_port(ctx), allowed_address_pairs=ctx.args.before))


async def _load_port(ctx: TaskContext[UpdateAddressPairsArgs]) -> Port:
    async with ctx.db.read() as tx:
        return await ports.require(tx, ctx.args.port_id)


async def _apply(ctx: TaskContext[UpdateAddressPairsArgs], port: Port) -> None:
    """Send an attached port to the driver; a detached one is sent when it is attached."""
    if port.instance_id is not None and isinstance(ctx.driver, SupportsInterfaces):
        async with ctx.db.read() as tx:
            nic = await load_nic_spec(tx, port)
        await ctx.driver.ensure_interface(port.instance_id, nic)


async def _unlock(tx: Tx, ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    await unlock_port(tx, ctx.args.port_id)
    if ctx.args.instance_id is not None:
        await unlock_instance(tx, ctx.args.instance_id)


async def _save_previous_address_pairs(tx: Tx, ctx: TaskContext[UpdateAddressPairsArgs]) -> None:
    port = await ports.require(tx, ctx.args.port_id)
    await ports.save(tx, port, replace(port, task_id=None, allowed_address_pairs=ctx.args.before))
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
