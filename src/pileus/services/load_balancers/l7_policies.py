"""Create, change and delete L7 policies of listeners."""

from collections.abc import Sequence

from msgspec import to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import invalid
from pileus.domain.load_balancers.l7_orders import (
    L7PolicyPatch,
    NewL7Policy,
    l7_policy_with_patch,
    plan_l7_policy,
    positioned_policies,
)
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.pool_protocols import check_has_l7_policies, check_pool_accepted
from pileus.domain.load_balancers.task_types import CREATE_L7_POLICY, DELETE_L7_POLICY, UPDATE_L7_POLICY
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.load_balancers.changes import new_part_origin, require_changeable_part, start_change
from pileus.store.database import Tx
from pileus.store.load_balancers import l7_policies, l7_rules, listeners, pools

AUDIT_GROUP = "lb_l7policy"


async def create_l7_policy(tx: Tx, ctx: Context, order: NewL7Policy, task_id: str) -> Task:
    """Save a policy at its position, and start the task that creates it. Raises NotFound, Invalid or Conflict."""
    load_balancer, listener = await require_changeable_part(tx, ctx, listeners.get, order.listener_id)
    check_has_l7_policies(listener)
    existing = await l7_policies.list_by_listener(tx, listener.id)
    policy = plan_l7_policy(new_part_origin(ctx, load_balancer), order, existing)
    await _check_redirect_pool(tx, ctx, listener, policy)
    moved = _find_moved(existing, positioned_policies(existing, policy))
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_L7_POLICY,
        load_balancer,
        new=Parts(l7_policies=[policy]),
        before=Parts(listeners=[listener], l7_policies=[before for before, _ in moved]),
        after=Parts(listeners=[listener], l7_policies=[after for _, after in moved]),
        created={"l7polices": [policy.id]},
        data={"listener_id": listener.id, "l7_policy_id": policy.id},
        entry=AuditEntry(AUDIT_GROUP, "create", policy.id, to_builtins(order)),
    )


async def update_l7_policy(tx: Tx, ctx: Context, policy_id: str, patch: L7PolicyPatch, task_id: str) -> Task:
    """Start the task that changes a policy and moves it to its position. Raises NotFound, Invalid or Conflict."""
    load_balancer, policy = await require_changeable_part(tx, ctx, l7_policies.get, policy_id)
    listener = await listeners.get(tx, ctx.place, policy.listener_id)
    existing = await l7_policies.list_by_listener(tx, listener.id)
    after = l7_policy_with_patch(policy, patch, len(existing))
    await _check_redirect_pool(tx, ctx, listener, after)
    others = [(before, moved) for before, moved in _find_moved(existing, positioned_policies(existing, after))]
    changed = [(policy, after), *((before, moved) for before, moved in others if before.id != policy_id)]
    return await start_change(
        tx,
        ctx,
        task_id,
        UPDATE_L7_POLICY,
        load_balancer,
        before=Parts(listeners=[listener], l7_policies=[before for before, _ in changed]),
        after=Parts(listeners=[listener], l7_policies=[moved for _, moved in changed]),
        data={"listener_id": listener.id, "l7_policy_id": policy_id},
        entry=AuditEntry(AUDIT_GROUP, "update", policy_id, dict(patch), name=policy.name),
    )


async def delete_l7_policy(tx: Tx, ctx: Context, policy_id: str, task_id: str) -> Task:
    """Start the task that deletes a policy with its rules. Raises NotFound or Conflict."""
    load_balancer, policy = await require_changeable_part(tx, ctx, l7_policies.get, policy_id)
    listener = await listeners.get(tx, ctx.place, policy.listener_id)
    others = [other for other in await l7_policies.list_by_listener(tx, listener.id) if other.id != policy_id]
    moved = _find_moved(others, positioned_policies(others))
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_L7_POLICY,
        load_balancer,
        before=Parts(listeners=[listener], l7_policies=[before for before, _ in moved]),
        after=Parts(listeners=[listener], l7_policies=[after for _, after in moved]),
        deleted=Parts(l7_policies=[policy], l7_rules=await l7_rules.list_by_policy(tx, policy_id)),
        data={"listener_id": listener.id, "l7_policy_id": policy_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", policy_id, name=policy.name),
    )


async def _check_redirect_pool(tx: Tx, ctx: Context, listener: Listener, policy: L7Policy) -> None:
    """Raise NotFound or Invalid if the pool that a policy redirects to cannot serve its listener."""
    if policy.redirect_pool_id is None:
        return
    pool = await pools.get(tx, ctx.place, policy.redirect_pool_id)
    if pool.load_balancer_id != listener.load_balancer_id:
        raise invalid(redirect_pool_id=f"Pool {pool.id} belongs to another load balancer")
    check_pool_accepted(listener.protocol, pool, "redirect_pool_id")


def _find_moved(existing: Sequence[L7Policy], ordered: Sequence[L7Policy]) -> list[tuple[L7Policy, L7Policy]]:
    """Return the existing policies whose position changes, before and after."""
    by_id = {policy.id: policy for policy in existing}
    return [
        (by_id[policy.id], policy)
        for policy in ordered
        if policy.id in by_id and policy.position != by_id[policy.id].position
    ]
