"""Letting ports speak as other addresses than their own: what one transaction writes before the task that does it."""

from collections.abc import Iterable
from typing import Any

from msgspec import to_builtins

from pileus.api.context import RequestContext
from pileus.domain.network.ports import AddressPair, Port
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports


async def set_allowed_address_pairs(  # each is a fact of its own
    tx: Tx, ctx: RequestContext, port: Port, pairs: Iterable[AddressPair], task_id: str, told: dict[str, Any]
) -> None:
    """Give a port its address pairs, and its instance a lock; the task tells the driver. Raises Invalid or Conflict."""
    after = port.locked(task_id).with_address_pairs(pairs, ctx.now())
    await ports.save(tx, port, after)
    if port.instance_id is not None:
        instance = await instances.get(tx, ctx.place, port.instance_id)
        await instances.save(tx, instance, instance.locked(task_id))
    before = to_builtins(port.allowed_address_pairs)
    args = {"port_id": port.id, "instance_id": port.instance_id, "before": before}
    await ctx.start_task(tx, "update_port_allowed_address_pairs", task_id, args, data={"port_id": port.id})
    await ctx.audit(tx, "port", "update", port.id, data=told, task_id=task_id)
