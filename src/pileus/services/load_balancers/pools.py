"""Create, update and delete pools of load balancers."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType, to_builtins
from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid, nest_field_errors
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.member_changes import MemberChanges, plan_replaced_members
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.pool_changes import (
    MonitorReplacement,
    PoolPatch,
    check_pool_removable,
    plan_monitor_replacement,
    pool_with_patch,
)
from pileus.domain.load_balancers.pool_orders import NewMember, NewPool, plan_pool
from pileus.domain.load_balancers.pool_protocols import check_pool_accepted
from pileus.domain.load_balancers.pools import Pool
from pileus.domain.load_balancers.task_types import CREATE_POOL, DELETE_POOL, UPDATE_POOL
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.load_balancers.certificates import check_pool_secrets
from pileus.services.load_balancers.changes import (
    NOTHING,
    new_part_origin,
    require_changeable_load_balancer,
    require_changeable_part,
    start_change,
)
from pileus.services.load_balancers.member_targets import check_member_targets
from pileus.store.database import Tx
from pileus.store.load_balancers import health_monitors, l7_policies, listeners, members, pools

AUDIT_GROUP = "lbpool"


class PoolChange(Struct, frozen=True, kw_only=True):
    """Changes to a pool. `members` of None change nothing; a monitor of None removes it."""

    patch: PoolPatch
    members: Sequence[NewMember] | None = None
    health_monitor: MonitorReplacement | UnsetType | None = UNSET


class _PoolParts(Struct, frozen=True, kw_only=True):
    pool: Pool
    listeners: Sequence[Listener]
    members: Sequence[Member]
    monitor: HealthMonitor | None

    @property
    def monitors(self) -> list[HealthMonitor]:
        """The monitor, if there is one."""
        return [] if self.monitor is None else [self.monitor]


async def plan_checked_pool(tx: Tx, ctx: Context, load_balancer: LoadBalancer, order: NewPool) -> Parts:
    """Return the records of a new pool whose members refer to what exists. Raises Invalid or NotFound."""
    parts = plan_pool(new_part_origin(ctx, load_balancer), order)
    with nest_field_errors("members"):
        await check_member_targets(tx, ctx, parts.members)
    await check_pool_secrets(tx, ctx, parts.pools[0])
    return parts


async def create_pool(
    tx: Tx, ctx: Context, order: NewPool, task_id: str, *, listener_id: str | None, load_balancer_id: str | None
) -> Task:
    """Save a pool, and start the task that creates it: for a listener that has none, or for a load balancer.

    Raises NotFound, Invalid or Conflict.
    """
    load_balancer, listener = await _require_owner(tx, ctx, listener_id, load_balancer_id)
    pool_count = await pools.count_by_load_balancer(tx, load_balancer.id)
    limits.check_count("load_balancer_id", pool_count + 1, limits.LOAD_BALANCER_POOLS.value)
    parts = await plan_checked_pool(tx, ctx, load_balancer, order)
    (pool,) = parts.pools
    before, after = NOTHING, NOTHING
    if listener is not None:
        before, after = Parts(listeners=[listener]), Parts(listeners=[_with_default_pool(listener, pool)])
    created = {"pools": parts.pools, "members": parts.members, "healthmonitors": parts.health_monitors}
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_POOL,
        load_balancer,
        new=parts,
        before=before,
        after=after,
        created={kind: [part.id for part in new] for kind, new in created.items()},
        data={"listener_id": listener_id, "pool_id": pool.id},
        entry=AuditEntry(AUDIT_GROUP, "create", pool.id, to_builtins(order)),
    )


async def update_pool(tx: Tx, ctx: Context, pool_id: str, task_id: str, change: PoolChange) -> Task | None:
    """Start the task that changes a pool; return None if nothing changes. Raises NotFound, Invalid or Conflict.

    Members that keep address and port keep their ids. The task names all members from before and after as created.
    """
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    existing = await _load_parts(tx, pool)
    after = await _plan_pool(tx, existing, change)
    await check_pool_secrets(tx, ctx, after, known=pool)
    member_changes = await _plan_members(tx, ctx, load_balancer, existing, change.members)
    monitor = _plan_monitor(ctx, load_balancer, after, existing.monitor, change.health_monitor)
    if after == pool and member_changes.is_empty and monitor == existing.monitor:
        return None
    new_monitors = [] if monitor is None or existing.monitor is not None else [monitor]
    changed_monitors = [] if monitor is None or existing.monitor is None else [monitor]
    return await start_change(
        tx,
        ctx,
        task_id,
        UPDATE_POOL,
        load_balancer,
        new=Parts(members=member_changes.added, health_monitors=new_monitors),
        before=_changed_parts(pool, member_changes.before, existing.monitors if changed_monitors else []),
        after=_changed_parts(after, member_changes.after, changed_monitors),
        deleted=Parts(members=member_changes.removed, health_monitors=existing.monitors if monitor is None else []),
        created=_created_ids(existing, change, member_changes, new_monitors),
        data={"pool_id": pool_id},
        entry=AuditEntry(AUDIT_GROUP, "update", pool_id, to_builtins(change), name=pool.name),
    )


async def delete_pool(tx: Tx, ctx: Context, pool_id: str, task_id: str) -> Task:
    """Start the task that deletes a pool with its members and its monitor; its listeners then have no default pool.

    Raises NotFound, or Conflict while an L7 policy redirects to it.
    """
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    check_pool_removable(pool, await l7_policies.list_by_pool(tx, pool_id))
    existing = await _load_parts(tx, pool)
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_POOL,
        load_balancer,
        before=Parts(listeners=existing.listeners),
        after=Parts(listeners=[replace(listener, default_pool_id=None) for listener in existing.listeners]),
        deleted=Parts(pools=[pool], members=existing.members, health_monitors=existing.monitors),
        data={"pool_id": pool_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", pool_id, name=pool.name),
    )


async def _require_owner(
    tx: Tx, ctx: Context, listener_id: str | None, load_balancer_id: str | None
) -> tuple[LoadBalancer, Listener | None]:
    """Return the load balancer of a new pool, and its listener if one is given. Raises NotFound, Invalid or Conflict.

    Nobody else changes or locks them until the transaction ends.
    """
    if listener_id is not None:
        load_balancer, listener = await require_changeable_part(tx, ctx, listeners.get, listener_id)
        if load_balancer_id not in (None, load_balancer.id):
            raise invalid(load_balancer_id=f"Listener {listener_id} belongs to load balancer {load_balancer.id}")
        return load_balancer, listener
    if load_balancer_id is None:
        raise invalid(listener_id="Give listener_id or load_balancer_id")
    return await require_changeable_load_balancer(tx, ctx, load_balancer_id), None


def _with_default_pool(listener: Listener, pool: Pool) -> Listener:
    """Return a listener with its first default pool. Raises Conflict if it has one, Invalid if it cannot use it."""
    if listener.default_pool_id is not None:
        raise Conflict(f"Listener {listener.id} has default pool {listener.default_pool_id} already")
    check_pool_accepted(listener.protocol, pool)
    return replace(listener, default_pool_id=pool.id)


async def _load_parts(tx: Tx, pool: Pool) -> _PoolParts:
    return _PoolParts(
        pool=pool,
        listeners=await listeners.list_by_pool(tx, pool.id),
        members=await members.list_by_pool(tx, pool.id),
        monitor=await health_monitors.find_by_pool(tx, pool.id),
    )


async def _plan_pool(tx: Tx, existing: _PoolParts, change: PoolChange) -> Pool:
    users = await listeners.list_with_policies_of_pool(tx, existing.pool.id)
    monitor = existing.monitor if change.health_monitor is UNSET else None
    return pool_with_patch(existing.pool, change.patch, [*existing.listeners, *users], monitor)


async def _plan_members(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, existing: _PoolParts, orders: Sequence[NewMember] | None
) -> MemberChanges:
    if orders is None:
        return MemberChanges()
    with nest_field_errors("members"):
        changes = plan_replaced_members(new_part_origin(ctx, load_balancer), existing.pool.id, existing.members, orders)
        await check_member_targets(tx, ctx, [*changes.added, *changes.after])
    return changes


def _plan_monitor(
    ctx: Context,
    load_balancer: LoadBalancer,
    pool: Pool,
    existing: HealthMonitor | None,
    replacement: MonitorReplacement | UnsetType | None,
) -> HealthMonitor | None:
    if replacement is UNSET:
        return existing
    if replacement is None:
        return None
    with nest_field_errors("healthmonitor"):
        return plan_monitor_replacement(new_part_origin(ctx, load_balancer), pool, existing, replacement)


def _changed_parts(pool: Pool, changed: Sequence[Member], monitors: Sequence[HealthMonitor]) -> Parts:
    return Parts(pools=[pool], members=changed, health_monitors=monitors)


def _created_ids(
    existing: _PoolParts, change: PoolChange, member_changes: MemberChanges, monitors: Sequence[HealthMonitor]
) -> dict[str, list[str]] | None:
    created = {"healthmonitors": [monitor.id for monitor in monitors]}
    if change.members is not None:
        created["members"] = [member.id for member in [*existing.members, *member_changes.added]]
    return created if any(created.values()) else None
