"""Create, replace and delete single rules of security groups."""

from collections.abc import Iterable

from msgspec import UnsetType

from pileus.domain.context import Context
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule, new_rule_record, with_rule, without_rule
from pileus.domain.network.task_types import CREATE_SECURITY_GROUP_RULE, DELETE_SECURITY_GROUP_RULE
from pileus.domain.tags import TagPatch
from pileus.domain.tasks import Task
from pileus.services.network.security_groups import (
    SecurityGroupChange,
    start_security_group_update,
    validate_tag_changes,
)
from pileus.store.database import Tx
from pileus.store.network import security_groups


async def create_security_group_rule(
    tx: Tx, ctx: Context, group_id: str, rule: NewRule, task_id: str
) -> SecurityGroupRule:
    """Start the task that adds a rule to the group, and return the rule. Raises NotFound, Invalid or Conflict."""
    record = _plan_rule(ctx, group_id, rule)
    group = await security_groups.get(tx, ctx.place, group_id)
    change = SecurityGroupChange(rules=with_rule(await security_groups.list_rules(tx, group_id), record))
    task_type, data = CREATE_SECURITY_GROUP_RULE, _make_task_data(group_id, record.id)
    await start_security_group_update(
        tx, ctx, group, change, task_id, task_type=task_type, created_rule_id=record.id, data=data
    )
    return record


async def replace_security_group_rule(  # the ids of group, rule and task
    tx: Tx, ctx: Context, group_id: str, rule_id: str, rule: NewRule, task_id: str
) -> SecurityGroupRule:
    """Start the task that replaces a rule of the group by a new one, and return the new rule."""
    record = _plan_rule(ctx, group_id, rule)
    group = await security_groups.get(tx, ctx.place, group_id)
    remaining = without_rule(await security_groups.list_rules(tx, group_id), rule_id)
    await start_security_group_update(tx, ctx, group, SecurityGroupChange(rules=with_rule(remaining, record)), task_id)
    return record


async def delete_security_group_rule(tx: Tx, ctx: Context, group_id: str, rule_id: str, task_id: str) -> Task | None:
    """Start the task that removes a rule from its group."""
    group = await security_groups.get(tx, ctx.place, group_id)
    change = SecurityGroupChange(rules=without_rule(await security_groups.list_rules(tx, group_id), rule_id))
    task_type, data = DELETE_SECURITY_GROUP_RULE, _make_task_data(group_id, rule_id)
    return await start_security_group_update(tx, ctx, group, change, task_id, task_type=task_type, data=data)


async def add_and_remove_rules(
    tx: Tx,
    ctx: Context,
    group_id: str,
    edits: Iterable[NewRule | str],
    task_id: str,
    *,
    name: str | UnsetType,
    tag_changes: TagPatch | UnsetType | None,
) -> Task | None:
    """Start the task that adds new rules to a group and removes rules by id, in the order of `edits`.

    Returns None if nothing changes.
    """
    group = await security_groups.get(tx, ctx.place, group_id)
    rules = await security_groups.list_rules(tx, group_id)
    for edit in edits:
        if isinstance(edit, NewRule):
            rules = with_rule(rules, _plan_rule(ctx, group_id, edit))
        else:
            rules = without_rule(rules, edit)
    change = SecurityGroupChange(name=name, rules=rules, tags=validate_tag_changes(tag_changes))
    return await start_security_group_update(tx, ctx, group, change, task_id)


def _make_task_data(group_id: str, rule_id: str) -> dict[str, str]:
    """Return the keys of the public API, and `group_id`, which the tasks of all changes of groups have."""
    return {"group_id": group_id, "security_group_id": group_id, "security_group_rule_id": rule_id}


def _plan_rule(ctx: Context, group_id: str, rule: NewRule) -> SecurityGroupRule:
    """Return the record of a new rule. Raises Invalid."""
    record = new_rule_record(group_id, rule, ctx.new_id(), ctx.now())
    ctx.catalogue.security_groups.check_rules([record])
    return record
