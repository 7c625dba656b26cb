"""Create, update and delete security groups and their rules.

A failed creation leaves nothing behind. An update or deletion is saved when the driver has applied it.
"""

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from pileus.domain.errors import not_found
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule
from pileus.domain.network.task_types import (
    CREATE_SECURITY_GROUP,
    CREATE_SECURITY_GROUP_RULE,
    DELETE_SECURITY_GROUP,
    DELETE_SECURITY_GROUP_RULE,
    UPDATE_SECURITY_GROUP,
    SecurityGroupTaskArgs,
    UpdateSecurityGroupArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.network import SecurityGroupSpec, SupportsSecurityGroups
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import security_groups
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def apply_group(driver: Compute, group: SecurityGroup, rules: Iterable[NewRule]) -> None:
    """Send a group with these rules to the driver; a driver without security groups lets all traffic pass."""
    if isinstance(driver, SupportsSecurityGroups):
        spec = SecurityGroupSpec(id=group.id, name=group.name, rules=list(rules))
        await driver.ensure_security_group(spec)


async def apply_default_groups(ctx: TaskContext[object], group_ids: Iterable[str]) -> None:
    """Send those groups to the driver that are default groups, which are created without a task of their own."""
    for group_id in group_ids:
        async with ctx.db.read() as tx:
            group = await security_groups.find(tx, group_id)
            if group is None or not group.is_default or group.task_id is not None:
                continue
            rules = await security_groups.list_allowed_traffic(tx, group_id)
        await apply_group(ctx.driver, group, rules)


async def _apply_saved(ctx: TaskContext[SecurityGroupTaskArgs]) -> None:
    await apply_group(ctx.driver, *await _load_group(ctx))


async def _load_group(ctx: TaskContext[SecurityGroupTaskArgs]) -> tuple[SecurityGroup, list[NewRule]]:
    group_id = ctx.args.group_id
    async with ctx.db.read() as tx:
        return await security_groups.require(tx, group_id), await security_groups.list_allowed_traffic(tx, group_id)


async def _destroy_group(ctx: TaskContext[SecurityGroupTaskArgs]) -> None:
    if isinstance(ctx.driver, SupportsSecurityGroups):
        await ctx.driver.ensure_no_security_group(ctx.args.group_id)


async def _save_created(tx: Tx, ctx: TaskContext[SecurityGroupTaskArgs]) -> CreatedResources:
    group = await security_groups.require(tx, ctx.args.group_id)
    await security_groups.save(tx, group, replace(group, task_id=None))
    return created_resources_by_kind(security_groups=[ctx.args.group_id])


async def _remove_created(tx: Tx, ctx: TaskContext[SecurityGroupTaskArgs]) -> None:
    await security_groups.remove(tx, ctx.args.group_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[SecurityGroupTaskArgs]) -> None:
    group = await security_groups.TABLE.lock(tx, ctx.args.group_id)
    port_count = await security_groups.count_ports(tx, group.id)
    referring = await security_groups.find_referring_group_name(tx, group.id)
    replace(group, task_id=None).require_removable(port_count, referring)
    await security_groups.remove(tx, group.id)


async def _unlock(tx: Tx, ctx: TaskContext[SecurityGroupTaskArgs]) -> None:
    group = await security_groups.require(tx, ctx.args.group_id)
    await security_groups.save_and_unlock(tx, group, group)


async def _apply_update(ctx: TaskContext[UpdateSecurityGroupArgs]) -> None:
    group, rules = await _load_group(ctx)
    name = group.name if ctx.args.name is UNSET else ctx.args.name
    if ctx.args.rules is not UNSET:
        rules = [rule.as_new_rule for rule in ctx.args.rules]
    await apply_group(ctx.driver, replace(group, name=name), rules)


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateSecurityGroupArgs]) -> CreatedResources | None:
    group, args = await security_groups.require(tx, ctx.args.group_id), ctx.args
    if args.rules is not UNSET:
        await _check_remote_groups_exist(tx, group, args.rules)
        await security_groups.replace_rules(tx, group.id, args.rules)
    if args.tags is not UNSET:
        await tags.patch(tx, security_groups.KIND, ctx.task.place, group.id, args.tags)
    after = replace(
        group,
        name=group.name if args.name is UNSET else args.name,
        description=group.description if args.description is UNSET else args.description,
        updated_at=ctx.now(),
    )
    await security_groups.save_and_unlock(tx, group, after)
    return created_resources_by_kind(security_group_rules=[args.created]) if args.created else None


async def _check_remote_groups_exist(tx: Tx, group: SecurityGroup, rules: Iterable[SecurityGroupRule]) -> None:
    """Raise NotFound if the remote group of a rule was deleted during the task."""
    for group_id in sorted({rule.remote_group_id for rule in rules if rule.remote_group_id} - {group.id}):
        if await security_groups.TABLE.lock_for_use(tx, group_id) is None:
            raise not_found(SecurityGroup.NOUN, group_id)


async def _save_updated_group(tx: Tx, ctx: TaskContext[UpdateSecurityGroupArgs]) -> CreatedResources:
    """Save like `_save_updated`. As in the public API, the group counts as created by its update."""
    await _save_updated(tx, ctx)
    return created_resources_by_kind(security_groups=[ctx.args.group_id])


_UPDATE = (Step("update the security group", _apply_update, undo=_apply_saved),)
OPERATIONS = (
    Operation(
        CREATE_SECURITY_GROUP,
        steps=(Step("create the security group", _apply_saved, undo=_destroy_group),),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(UPDATE_SECURITY_GROUP, steps=_UPDATE, done=_save_updated_group, failed=_unlock),
    Operation(CREATE_SECURITY_GROUP_RULE, steps=_UPDATE, done=_save_updated, failed=_unlock),
    Operation(DELETE_SECURITY_GROUP_RULE, steps=_UPDATE, done=_save_updated, failed=_unlock),
    Operation(
        DELETE_SECURITY_GROUP,
        steps=(Step("delete the security group", _destroy_group, undo=_apply_saved),),
        done=_remove_deleted,
        failed=_unlock,
    ),
)
