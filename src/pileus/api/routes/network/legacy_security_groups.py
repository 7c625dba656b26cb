"""Security groups as older clients make and change them: at once, rule by rule."""

from litestar import patch, post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.network.security_group_views import show_group
from pileus.api.wire.network.security_groups import CreateOlderGroup, DropRule, SecurityGroupView, UpdateOlderGroup
from pileus.domain.network.security_rules import SecurityGroupRule, added, new_rule, without
from pileus.domain.tags import make_tags, validate_tags
from pileus.services.network.security_groups import (
    SecurityGroupChange,
    create_security_group,
    start_port_refresh,
    update_security_group,
)
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups

ALL = "/cloud/v1/securitygroups/{project_id:int}/{region_id:int}"


@post(ALL, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def create_group_at_once(ctx: Ctx, data: JSONBody[CreateOlderGroup]) -> SecurityGroupView:
    """Make a security group, let it guard instances, and answer with it. Use version 2 instead."""
    ctx.region()
    wish, task_id = data.security_group, ctx.new_id()
    its = make_tags(validate_tags(wish.tags or wish.metadata or {}).items())
    rules = None if wish.security_group_rules is None else [rule.rule() for rule in wish.security_group_rules]

    async def write(tx: Tx) -> tuple[str, list[str]]:
        made = await create_security_group(
            tx, ctx, task_id, name=wish.name, description=wish.description or "", rules=rules, its=its
        )
        return made.id, [await _guarded(tx, ctx, instance_id, made.id) for instance_id in dict.fromkeys(data.instances)]

    made, told = await ctx.db.write(write)
    for each in (task_id, *told):
        await ctx.wait_for_task(each)
    return await show_group(ctx, made)


@patch(f"{ALL}/{{group_id:str}}", opt=WRITE, deprecated=True, tags=["Security Groups"])
async def update_group_at_once(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[UpdateOlderGroup]
) -> SecurityGroupView:
    """Change a security group, rule by rule, and answer with it. Use version 2 instead."""

    async def write(tx: Tx) -> str | None:
        group = await security_groups.get(tx, ctx.place, group_id)
        rules = _edited(ctx, group_id, await security_groups.rules_of(tx, group_id), data)
        return await update_security_group(
            tx, ctx, group, SecurityGroupChange(name=data.name, rules=rules, tags=data.retagging())
        )

    await ctx.wait_for_task(await ctx.db.write(write))
    return await show_group(ctx, group_id)


def _edited(
    ctx: RequestContext, group_id: str, rules: list[SecurityGroupRule], data: UpdateOlderGroup
) -> list[SecurityGroupRule]:
    for each in data.changed_rules:
        if isinstance(each, DropRule):
            rules = without(rules, each.security_group_rule_id)
        else:
            rules = added(rules, new_rule(group_id, each.rule(), ctx.new_id(), ctx.now()))
    return rules


async def _guarded(tx: Tx, ctx: RequestContext, instance_id: str, group_id: str) -> str:
    """Let a group guard an instance; the task that tells it."""
    instance = await instances.get(tx, ctx.place, instance_id)
    await instances.bump_revision(tx, instance.require_unlocked().check_security_groups_allowed())
    secured = [port.id for port in await ports.of_instance(tx, instance_id) if port.port_security_enabled]
    for port_id in secured:
        await security_groups.add_to_port(tx, port_id, [group_id])
    return await start_port_refresh(tx, ctx, secured)


ROUTES = [create_group_at_once, update_group_at_once]
