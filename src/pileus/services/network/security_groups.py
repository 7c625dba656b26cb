"""Create, copy, update, revert and delete security groups."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType, field, to_builtins
from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.network.security_groups import (
    SecurityGroup,
    new_default_security_group,
    new_security_group,
)
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule, plan_replaced_rules
from pileus.domain.network.task_types import (
    CREATE_SECURITY_GROUP,
    DELETE_SECURITY_GROUP,
    UPDATE_SECURITY_GROUP,
    SecurityGroupTaskArgs,
    UpdateSecurityGroupArgs,
)
from pileus.domain.tags import TagPatch, check_tag_count, make_tags, merged_tags, validate_tags
from pileus.domain.tasks import Task, TaskType
from pileus.services.account.quotas import check_quotas
from pileus.services.tags import add_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import FOR_USE, Tx
from pileus.store.network import security_groups

AUDIT_GROUP = "securitygroup"


class SecurityGroupChange(Struct, frozen=True, kw_only=True):
    """Changes to a security group.

    Rules of None, and tags of `{}`, change nothing. `rules` replace all rules. `tags` are a merge patch; None removes
    all tags.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    rules: Sequence[SecurityGroupRule] | None = None
    tags: TagPatch | None = field(default_factory=dict)


async def ensure_default_security_group(tx: Tx, ctx: Context) -> None:
    """Save the project's default group, if there is none yet and the project is not being deleted. Raises NotFound."""
    project = await projects.get(tx, ctx.place.client_id, ctx.place.project_id, lock=FOR_USE)
    if project.task_id is None and await security_groups.find_default(tx, ctx.place) is None:
        policy = ctx.catalogue.security_groups
        await security_groups.add(tx, *new_default_security_group(ctx.place, policy, ctx.new_id, ctx.now()))


async def create_security_group(
    tx: Tx,
    ctx: Context,
    name: str,
    description: str,
    rules: Iterable[NewRule] | None,
    task_id: str,
    *,
    user_tags: Mapping[str, str],
) -> SecurityGroup:
    """Save a group, and start the task that creates it. Without `rules` it gets the default ones.

    Raises NotFound, Invalid, Conflict or QuotaExceeded.
    """
    ctx.require_region()
    new_tags = make_tags(validate_tags(user_tags).items())
    await projects.require_active(tx, ctx.place)
    await check_quotas(tx, ctx, {"firewall_count": 1})
    group = new_security_group(ctx.place, ctx.new_id, ctx.now(), name, description=description).locked(task_id)
    default_rules = ctx.catalogue.security_groups.default_rules(is_default_group=False)
    new_rules = default_rules if rules is None else list(rules)
    records = _plan_rules(ctx, group.id, new_rules, [])
    await _check_remote_groups(tx, ctx, records, [])
    await security_groups.add(tx, group, records)
    await add_tags(tx, ctx, security_groups.KIND, group.id, new_tags)
    audit_data = {"name": name, "description": description, "rules": to_builtins(new_rules)}
    args, data = SecurityGroupTaskArgs(group_id=group.id), {"group_id": group.id, **audit_data}
    entry = AuditEntry(AUDIT_GROUP, "create", group.id, audit_data)
    await start_task(tx, ctx, task_id, CREATE_SECURITY_GROUP, args, data=data, entry=entry)
    return group


async def copy_security_group(tx: Tx, ctx: Context, group_id: str, name: str, task_id: str) -> SecurityGroup:
    """Save a group with the rules and the description of another, and start the task that creates it."""
    original = (await security_groups.get(tx, ctx.place, group_id)).require_unlocked()
    rules = [rule.as_new_rule for rule in await security_groups.list_rules(tx, group_id)]
    return await create_security_group(tx, ctx, name, original.description, rules, task_id, user_tags={})


async def update_security_group(
    tx: Tx,
    ctx: Context,
    group_id: str,
    task_id: str,
    *,
    name: str | UnsetType,
    description: str | UnsetType,
    rules: Iterable[NewRule] | None,
    tag_changes: TagPatch | UnsetType | None,
) -> Task | None:
    """Start the task that changes the group; return None if nothing changes. Rules that it has keep their ids."""
    group = await security_groups.get(tx, ctx.place, group_id)
    records = None
    if rules is not None:
        existing = await security_groups.list_rules(tx, group_id)
        records = _plan_rules(ctx, group_id, rules, existing)
    change = SecurityGroupChange(
        name=name, description=description, rules=records, tags=validate_tag_changes(tag_changes)
    )
    return await start_security_group_update(tx, ctx, group, change, task_id)


async def revert_to_default_rules(tx: Tx, ctx: Context, group_id: str, task_id: str) -> Task | None:
    """Start the task that gives a group the default rules again; return None if it has them."""
    group = await security_groups.get(tx, ctx.place, group_id)
    existing = await security_groups.list_rules(tx, group_id)
    default_rules = ctx.catalogue.security_groups.default_rules(is_default_group=group.is_default)
    rules = _plan_rules(ctx, group_id, default_rules, existing)
    return await start_security_group_update(tx, ctx, group, SecurityGroupChange(rules=rules), task_id)


async def delete_security_group(tx: Tx, ctx: Context, group_id: str, task_id: str) -> Task:
    """Lock an unused group and start the task that deletes it. Raises Conflict if a port or another group uses it."""
    group = await security_groups.get(tx, ctx.place, group_id)
    await security_groups.save(tx, group, group.locked(task_id))
    port_count = await security_groups.count_ports(tx, group_id)
    group.require_removable(port_count, await security_groups.find_referring_group_name(tx, group_id))
    entry = AuditEntry(AUDIT_GROUP, "delete", group_id, name=group.name)
    return await start_task(
        tx, ctx, task_id, DELETE_SECURITY_GROUP, SecurityGroupTaskArgs(group_id=group_id), entry=entry
    )


async def start_security_group_update(
    tx: Tx,
    ctx: Context,
    group: SecurityGroup,
    change: SecurityGroupChange,
    task_id: str,
    *,
    task_type: TaskType[UpdateSecurityGroupArgs] = UPDATE_SECURITY_GROUP,
    created_rule_id: str | None = None,
    data: Mapping[str, str] | None = None,
) -> Task | None:
    """Lock the group and start the task that changes it; return None if nothing changes. Clients see `data`."""
    group = group.require_unlocked()
    args = UpdateSecurityGroupArgs(
        group_id=group.id,
        name=UNSET if change.name == group.name else change.name,
        description=UNSET if change.description == group.description else change.description,
        rules=await _find_changed_rules(tx, ctx, group, change.rules),
        tags=await _find_changed_tags(tx, ctx, group, change.tags),
    )
    if args == UpdateSecurityGroupArgs(group_id=group.id):
        return None
    await security_groups.save(tx, group, group.locked(task_id))
    if created_rule_id is not None:
        args = replace(args, created=created_rule_id)
    audit_data = {key: value for key, value in to_builtins(args).items() if key != "group_id"}
    entry = AuditEntry(AUDIT_GROUP, "update", group.id, audit_data, name=group.name)
    return await start_task(tx, ctx, task_id, task_type, args, data=dict(data or {"group_id": group.id}), entry=entry)


def validate_tag_changes(changes: TagPatch | UnsetType | None) -> TagPatch | None:
    """Return the merge patch of a request's tags, `{}` if the request has none. Raises Invalid."""
    if isinstance(changes, UnsetType):
        return {}
    return None if changes is None else validate_tags(changes)


def _plan_rules(
    ctx: Context, group_id: str, requested: Iterable[NewRule], existing: Sequence[SecurityGroupRule]
) -> list[SecurityGroupRule]:
    """Return the records of a group that has exactly the requested rules. Raises Invalid or Conflict.

    A rule that the group has already may stay, even if the catalogue has prohibited its port since.
    """
    records = plan_replaced_rules(group_id, requested, existing, ctx.new_id, ctx.now())
    existing_ids = {rule.id for rule in existing}
    ctx.catalogue.security_groups.check_rules(record for record in records if record.id not in existing_ids)
    return records


async def _find_changed_rules(
    tx: Tx, ctx: Context, group: SecurityGroup, rules: Sequence[SecurityGroupRule] | None
) -> list[SecurityGroupRule] | UnsetType:
    if rules is None:
        return UNSET
    existing = await security_groups.list_rules(tx, group.id)
    await _check_remote_groups(tx, ctx, rules, existing)
    changed = {rule.id: rule.as_new_rule for rule in existing} != {rule.id: rule.as_new_rule for rule in rules}
    return list(rules) if changed else UNSET


async def _find_changed_tags(
    tx: Tx, ctx: Context, group: SecurityGroup, patch: TagPatch | None
) -> dict[str, str | None] | UnsetType | None:
    if patch == {}:
        return UNSET
    old_tags = await tags.list_by_resource(tx, group.id)
    new_tags = merged_tags(old_tags, patch)
    if new_tags == old_tags:
        return UNSET
    check_tag_count(old_tags, new_tags, ctx.tag_limit)
    return None if patch is None else dict(patch)


async def _check_remote_groups(
    tx: Tx, ctx: Context, rules: Sequence[SecurityGroupRule], existing: Sequence[SecurityGroupRule]
) -> None:
    """Raise NotFound if the remote group of a rule is not one of the project's.

    Raises Conflict if a task has locked one that no existing rule names: its creation can still fail.
    """
    known = {rule.remote_group_id for rule in existing}
    for group_id in sorted({rule.remote_group_id for rule in rules if rule.remote_group_id}):
        if all(rule.security_group_id != group_id for rule in rules):
            group = await security_groups.get_for_use(tx, ctx.place, group_id)
            if group_id not in known:
                group.require_unlocked()
