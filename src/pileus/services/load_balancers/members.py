"""Add, change, remove and replace members of pools."""

from collections.abc import Sequence

from msgspec import to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.load_balancers.member_changes import (
    MemberPatch,
    member_with_patch,
    plan_member_addition,
    require_member,
)
from pileus.domain.load_balancers.pool_orders import NewMember
from pileus.domain.load_balancers.task_types import CREATE_MEMBER, DELETE_MEMBER, UPDATE_MEMBER
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.load_balancers.changes import new_part_origin, require_changeable_part, start_change
from pileus.services.load_balancers.member_targets import check_single_member_target
from pileus.services.load_balancers.pools import PoolChange, update_pool
from pileus.store.database import Tx
from pileus.store.load_balancers import members, pools

AUDIT_GROUP = "lbpool_member"


async def create_member(tx: Tx, ctx: Context, pool_id: str, order: NewMember, task_id: str) -> Task:
    """Save a member, and start the task that adds it to the pool. Raises NotFound, Invalid or Conflict."""
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    existing = await members.list_by_pool(tx, pool_id)
    member = plan_member_addition(new_part_origin(ctx, load_balancer), pool_id, existing, order)
    await check_single_member_target(tx, ctx, member)
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_MEMBER,
        load_balancer,
        new=Parts(members=[member]),
        before=Parts(pools=[pool]),
        after=Parts(pools=[pool]),
        created={"members": [member.id]},
        data={"pool_id": pool_id, "member_id": member.id},
        entry=AuditEntry(AUDIT_GROUP, "create", member.id, to_builtins(order)),
    )


async def update_member(
    tx: Tx, ctx: Context, pool_id: str, member_id: str, patch: MemberPatch, task_id: str
) -> Task | None:
    """Start the task that changes a member; return None if nothing changes. Raises NotFound, Invalid or Conflict."""
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    member = require_member(await members.list_by_pool(tx, pool_id), member_id)
    after = member_with_patch(member, patch)
    if after == member:
        return None
    return await start_change(
        tx,
        ctx,
        task_id,
        UPDATE_MEMBER,
        load_balancer,
        before=Parts(pools=[pool], members=[member]),
        after=Parts(pools=[pool], members=[after]),
        data={"pool_id": pool_id, "member_id": member_id},
        entry=AuditEntry(AUDIT_GROUP, "update", member_id, dict(patch)),
    )


async def delete_member(tx: Tx, ctx: Context, pool_id: str, member_id: str, task_id: str) -> Task:
    """Start the task that removes a member from its pool. Raises NotFound or Conflict."""
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    member = require_member(await members.list_by_pool(tx, pool_id), member_id)
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_MEMBER,
        load_balancer,
        before=Parts(pools=[pool]),
        after=Parts(pools=[pool]),
        deleted=Parts(members=[member]),
        data={"pool_id": pool_id, "member_id": member_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", member_id),
    )


async def replace_members(tx: Tx, ctx: Context, pool_id: str, orders: Sequence[NewMember], task_id: str) -> Task | None:
    """Start the task after which a pool has exactly these members; return None if it has them."""
    return await update_pool(tx, ctx, pool_id, task_id, PoolChange(patch={}, members=orders))
