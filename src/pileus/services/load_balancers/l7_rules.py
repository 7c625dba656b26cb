"""Create, replace and delete rules of L7 policies."""

from msgspec import to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.load_balancers.l7_orders import L7RulePatch, NewL7Rule, l7_rule_with_patch, plan_l7_rule
from pileus.domain.load_balancers.task_types import CREATE_L7_RULE, DELETE_L7_RULE, REPLACE_L7_RULE
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.load_balancers.changes import new_part_origin, require_changeable_part, start_change
from pileus.store.database import Tx
from pileus.store.load_balancers import l7_policies, l7_rules

AUDIT_GROUP = "lb_l7rule"


async def create_l7_rule(tx: Tx, ctx: Context, policy_id: str, order: NewL7Rule, task_id: str) -> Task:
    """Save a rule, and start the task that adds it to its policy. Raises NotFound, Invalid or Conflict."""
    load_balancer, policy = await require_changeable_part(tx, ctx, l7_policies.get, policy_id)
    rule_count = len(await l7_rules.list_by_policy(tx, policy_id))
    rule = plan_l7_rule(new_part_origin(ctx, load_balancer), policy_id, order, rule_count)
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_L7_RULE,
        load_balancer,
        new=Parts(l7_rules=[rule]),
        before=Parts(l7_policies=[policy]),
        after=Parts(l7_policies=[policy]),
        created={"l7rules": [rule.id]},
        data={"l7_policy_id": policy_id, "l7_rule_id": rule.id},
        entry=AuditEntry(AUDIT_GROUP, "create", rule.id, to_builtins(order)),
    )


async def replace_l7_rule(tx: Tx, ctx: Context, policy_id: str, rule_id: str, patch: L7RulePatch, task_id: str) -> Task:
    """Start the task that changes a rule of a policy. Raises NotFound, Invalid or Conflict."""
    load_balancer, policy = await require_changeable_part(tx, ctx, l7_policies.get, policy_id)
    rule = await l7_rules.require_of_policy(tx, policy_id, rule_id)
    after = l7_rule_with_patch(rule, patch)
    return await start_change(
        tx,
        ctx,
        task_id,
        REPLACE_L7_RULE,
        load_balancer,
        before=Parts(l7_policies=[policy], l7_rules=[rule]),
        after=Parts(l7_policies=[policy], l7_rules=[after]),
        data={"l7_policy_id": policy_id, "l7_rule_id": rule_id},
        entry=AuditEntry(AUDIT_GROUP, "update", rule_id, dict(patch)),
    )


async def delete_l7_rule(tx: Tx, ctx: Context, policy_id: str, rule_id: str, task_id: str) -> Task:
    """Start the task that deletes a rule of a policy. Raises NotFound or Conflict."""
    load_balancer, policy = await require_changeable_part(tx, ctx, l7_policies.get, policy_id)
    rule = await l7_rules.require_of_policy(tx, policy_id, rule_id)
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_L7_RULE,
        load_balancer,
        before=Parts(l7_policies=[policy]),
        after=Parts(l7_policies=[policy]),
        deleted=Parts(l7_rules=[rule]),
        data={"l7_policy_id": policy_id, "l7_rule_id": rule_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", rule_id),
    )
