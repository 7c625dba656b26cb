"""Create, update and delete listeners of load balancers."""

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import invalid, nest_field_errors
from pileus.domain.load_balancers.listener_orders import (
    ListenerPatch,
    NewListener,
    check_listener,
    check_listener_count,
    check_listener_port_is_free,
    new_listener_record,
    patched_listener,
)
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.pool_protocols import check_pool_accepted
from pileus.domain.load_balancers.pools import Pool
from pileus.domain.load_balancers.task_types import CREATE_LISTENER, DELETE_LISTENER, UPDATE_LISTENER
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.load_balancers.certificates import check_listener_secrets
from pileus.services.load_balancers.changes import (
    NOTHING,
    new_part_origin,
    require_changeable_load_balancer,
    require_changeable_part,
    start_change,
)
from pileus.services.load_balancers.pools import plan_checked_pool
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners, pools, trees
from pileus.store.network import ports

AUDIT_GROUP = "lblistener"


async def plan_listeners(tx: Tx, ctx: Context, load_balancer: LoadBalancer, orders: Sequence[NewListener]) -> Parts:
    """Return the records of the listeners that are created with a load balancer, and of their pools.

    Raises Invalid, Conflict or NotFound.
    """
    planned = NOTHING
    for position, order in enumerate(orders):
        with nest_field_errors("listeners", position):
            pool_parts = await _plan_default_pool(tx, ctx, load_balancer, order)
            pool_id = next((pool.id for pool in pool_parts.pools), None)
            listener = new_listener_record(new_part_origin(ctx, load_balancer), order, pool_id)
            await _check_new_listener(tx, ctx, load_balancer, listener, planned.listeners)
        planned += pool_parts + Parts(listeners=[listener])
    return planned


async def create_listener(
    tx: Tx,
    ctx: Context,
    load_balancer_id: str,
    order: NewListener,
    default_pool_id: str | None,
    task_id: str,
    *,
    audit_data: dict[str, Any],
) -> Task:
    """Save a listener, and start the task that creates it. Raises NotFound, Invalid or Conflict."""
    load_balancer = await require_changeable_load_balancer(tx, ctx, load_balancer_id)
    listener = new_listener_record(new_part_origin(ctx, load_balancer), order, default_pool_id)
    others = await listeners.list_by_load_balancer(tx, load_balancer_id)
    await _check_new_listener(tx, ctx, load_balancer, listener, others)
    if default_pool_id is not None:
        pool = await _require_pool_of_load_balancer(tx, load_balancer, default_pool_id)
        check_pool_accepted(listener.protocol, pool, "default_pool_id")
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_LISTENER,
        load_balancer,
        new=Parts(listeners=[listener]),
        created={"listeners": [listener.id]},
        data={"listener_id": listener.id},
        entry=AuditEntry(AUDIT_GROUP, "create", listener.id, audit_data),
    )


async def update_listener(tx: Tx, ctx: Context, listener_id: str, patch: ListenerPatch, task_id: str) -> Task:
    """Start the task that applies a patch to a listener, also to one that it does not change.

    Older clients need a task for an empty patch. Raises NotFound, Invalid or Conflict.
    """
    load_balancer, listener = await require_changeable_part(tx, ctx, listeners.get, listener_id)
    after = patched_listener(listener, patch, ctx.now())
    await _check_listener(tx, ctx, load_balancer, after, known=listener)
    return await start_change(
        tx,
        ctx,
        task_id,
        UPDATE_LISTENER,
        load_balancer,
        before=Parts(listeners=[listener]),
        after=Parts(listeners=[after]),
        created={"listeners": [listener_id]},
        data={"listener_id": listener_id},
        entry=AuditEntry(AUDIT_GROUP, "update", listener_id, to_builtins(patch), name=listener.name),
    )


async def rename_listener(tx: Tx, ctx: Context, listener_id: str, name: str) -> None:
    """Rename a listener, without a task. Raises NotFound or Conflict."""
    _, listener = await require_changeable_part(tx, ctx, listeners.get, listener_id)
    await listeners.save(tx, listener, replace(listener, name=name, updated_at=ctx.now()))
    await write_audit_entry(tx, ctx, AuditEntry(AUDIT_GROUP, "update", listener_id, {"name": name}, name=listener.name))


async def delete_listener(tx: Tx, ctx: Context, listener_id: str, task_id: str, *, with_default_pool: bool) -> Task:
    """Start the task that deletes a listener with its L7 policies, and its default pool if requested.

    Other listeners and L7 policies then no longer have that pool. Raises NotFound or Conflict.
    """
    load_balancer, listener = await require_changeable_part(tx, ctx, listeners.get, listener_id)
    parts = (await trees.load(tx, load_balancer.id)).parts
    pool_id = listener.default_pool_id if with_default_pool else None
    deleted = parts.of_listener(listener_id, pool_id)
    users = [other for other in parts.listeners if pool_id and other.default_pool_id == pool_id and other != listener]
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_LISTENER,
        load_balancer,
        before=Parts(listeners=users),
        after=Parts(listeners=[replace(other, default_pool_id=None) for other in users]),
        deleted=deleted,
        data={"listener_id": listener_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", listener_id, name=listener.name),
    )


async def _check_new_listener(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, listener: Listener, others: Sequence[Listener]
) -> None:
    check_listener_count(others, listener)
    check_listener_port_is_free(listener, others)
    await _check_listener(tx, ctx, load_balancer, listener)


async def _plan_default_pool(tx: Tx, ctx: Context, load_balancer: LoadBalancer, order: NewListener) -> Parts:
    if order.pool is None:
        return NOTHING
    with nest_field_errors("pools", 0):
        parts = await plan_checked_pool(tx, ctx, load_balancer, order.pool)
        for pool in parts.pools:
            check_pool_accepted(order.protocol, pool)
    return parts


async def _require_pool_of_load_balancer(tx: Tx, load_balancer: LoadBalancer, pool_id: str) -> Pool:
    """Return a pool. Raises Invalid if the load balancer does not have it."""
    pool = await pools.find(tx, pool_id)
    if pool is None or pool.load_balancer_id != load_balancer.id:
        raise invalid(default_pool_id=f"Load balancer {load_balancer.id} has no pool {pool_id}")
    return pool


async def _check_listener(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, listener: Listener, known: Listener | None = None
) -> None:
    """Check the fields of a listener, and the secrets that the `known` one did not have."""
    addresses = [line.ip for line in await ports.list_addresses(tx, load_balancer.vip_port_id)]
    check_listener(listener, addresses)
    await check_listener_secrets(tx, ctx, listener, known)
