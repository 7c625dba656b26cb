"""Change the allowed address pairs and the port security of ports."""

from collections.abc import Iterable, Sequence
from typing import Any

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Invalid
from pileus.domain.network.ports import AddressPair, Port
from pileus.domain.network.task_types import (
    UPDATE_ADDRESS_PAIRS,
    UPDATE_PORTS,
    UpdateAddressPairsArgs,
    UpdatePortSecurityArgs,
)
from pileus.domain.tasks import Task
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tasks import start_task
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import networks, ports, security_groups


async def lock_port_for_use(tx: Tx, ctx: Context, port_id: str) -> Port:
    """Return a port; nobody changes or deletes it or its instance until the transaction ends.

    Raises NotFound, or Conflict if a task has locked the port or its instance.
    """
    port = (await ports.get_for_use(tx, ctx.place, port_id)).require_unlocked()
    if port.instance_id is not None:
        (await instances.get_for_use(tx, ctx.place, port.instance_id)).require_unlocked()
    return port


async def set_allowed_address_pairs(
    tx: Tx, ctx: Context, port_id: str, pairs: Iterable[AddressPair], task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Replace the allowed address pairs of a port in a private network, and start the task that applies them."""
    port = await ports.get(tx, ctx.place, port_id)
    network = await networks.find(tx, port.network_id)
    if network is not None and network.external:
        raise Invalid(f"Port {port.id} is in a public network: it may send from its own addresses only")
    return await start_address_pairs_update(tx, ctx, [(port, pairs)], task_id, audit_data=audit_data)


async def start_address_pairs_update(
    tx: Tx,
    ctx: Context,
    changes: Sequence[tuple[Port, Iterable[AddressPair]]],
    task_id: str,
    *,
    audit_data: dict[str, Any],
) -> Task:
    """Lock ports of one instance, or one port without, save their new pairs and start the task that applies them.

    Raises Invalid or Conflict.
    """
    for port, pairs in changes:
        await ports.save(tx, port, port.locked(task_id).with_address_pairs(pairs, ctx.now()))
    first, *others = [port for port, _ in changes]
    if first.instance_id is not None:
        instance = await instances.get(tx, ctx.place, first.instance_id)
        await instances.save(tx, instance, instance.locked(task_id))
    for port in others:
        await write_audit_entry(tx, ctx, AuditEntry("port", "update", port.id, audit_data), task_id=task_id)
    args = UpdateAddressPairsArgs(
        port_id=first.id,
        instance_id=first.instance_id,
        before=first.allowed_address_pairs,
        others={port.id: port.allowed_address_pairs for port in others},
    )
    entry = AuditEntry("port", "update", first.id, audit_data)
    return await start_task(tx, ctx, task_id, UPDATE_ADDRESS_PAIRS, args, data={"port_id": first.id}, entry=entry)


async def set_port_security(tx: Tx, ctx: Context, port_id: str, task_id: str, *, enabled: bool) -> Task:
    """Enable or disable port security, and start the task that applies it. Disabling removes all security groups.

    Raises NotFound, or Conflict if the port is locked, or has allowed address pairs and is to lose port security.
    """
    port = await ports.get(tx, ctx.place, port_id)
    if port.instance_id is not None:
        instance = await instances.get(tx, ctx.place, port.instance_id)
        await instances.bump_revision(tx, instance.require_unlocked())
    await ports.save(tx, port, port.require_unlocked().with_port_security(ctx.now(), enabled=enabled))
    if not enabled:
        await security_groups.remove_all_from_port(tx, port_id)
    await write_audit_entry(
        tx, ctx, AuditEntry("port", "enable_portsecurity" if enabled else "disable_portsecurity", port_id)
    )
    return await start_port_security_update(tx, ctx, [port_id], port.instance_id, task_id)


async def start_port_security_update(
    tx: Tx, ctx: Context, port_ids: Sequence[str], instance_id: str | None, task_id: str
) -> Task:
    """Start the task that applies the recorded security groups and port security of an instance's ports.

    It locks nothing.
    """
    args = UpdatePortSecurityArgs(port_ids=list(port_ids), instance_id=instance_id)
    return await start_task(tx, ctx, task_id, UPDATE_PORTS, args, data={"port_ids": args.port_ids})
