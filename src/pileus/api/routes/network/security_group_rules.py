"""Single rules of security groups."""

from collections.abc import Callable

from litestar import delete, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.network.security_groups import Rule, SecurityGroupRuleView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.network.security_rules import SecurityGroupRule, added, new_rule, without
from pileus.services.network.security_groups import SecurityGroupChange, update_security_group
from pileus.store.database import Tx
from pileus.store.network import security_groups

PLACE = "{project_id:int}/{region_id:int}"
OF_GROUP = f"/cloud/v1/securitygroups/{PLACE}/{{group_id:str}}/rules"
ONE = f"/cloud/v1/securitygrouprules/{PLACE}/{{rule_id:str}}"
NEWER = f"/cloud/v2/security_groups/{PLACE}/{{group_id:str}}/rules"
Rules = list[SecurityGroupRule]


@post(NEWER, opt=WRITE, status_code=200, tags=["Security Groups"])
async def create_security_group_rule(ctx: Ctx, group_id: FromPath[str], data: JSONBody[Rule]) -> TaskIds:
    """Give a security group one more rule, in a task; one that says what another says already is refused."""
    _, task_id = await _added(ctx, group_id, data)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@delete(f"{NEWER}/{{rule_id:str}}", opt=WRITE, status_code=200, tags=["Security Groups"])
async def delete_security_group_rule(ctx: Ctx, group_id: FromPath[str], rule_id: FromPath[str]) -> TaskIds:
    """Take a rule from a security group, in a task."""
    task_id = await _edited(ctx, group_id, lambda there: without(there, rule_id), "delete_security_group_rule")
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(OF_GROUP, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def add_security_group_rule(ctx: Ctx, group_id: FromPath[str], data: JSONBody[Rule]) -> SecurityGroupRuleView:
    """Give a security group one more rule, and answer with it. Use version 2 instead."""
    rule, task_id = await _added(ctx, group_id, data)
    await ctx.wait_for_task(task_id)
    return SecurityGroupRuleView.of(rule)


@put(ONE, opt=WRITE, deprecated=True, tags=["Security Groups"])
async def replace_security_group_rule(ctx: Ctx, rule_id: FromPath[str], data: JSONBody[Rule]) -> SecurityGroupRuleView:
    """Let another rule take the place of one, and answer with it. Use version 2 of the group's PATCH instead."""
    old = await _found(ctx, rule_id)
    new = new_rule(old.security_group_id, data.rule(), ctx.new_id(), ctx.now())
    task_id = await _edited(ctx, old.security_group_id, lambda there: added(without(there, rule_id), new))
    await ctx.wait_for_task(task_id)
    return SecurityGroupRuleView.of(new)


@delete(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["Security Groups"])
async def drop_security_group_rule(ctx: Ctx, rule_id: FromPath[str]) -> None:
    """Take a rule from its security group. Use version 2 instead."""
    group_id = (await _found(ctx, rule_id)).security_group_id
    task_id = await _edited(ctx, group_id, lambda there: without(there, rule_id), "delete_security_group_rule")
    await ctx.wait_for_task(task_id)


async def _found(ctx: RequestContext, rule_id: str) -> SecurityGroupRule:
    async with ctx.db.read() as tx:
        return await security_groups.rule(tx, ctx.place, rule_id)


async def _added(ctx: RequestContext, group_id: str, data: Rule) -> tuple[SecurityGroupRule, str]:
    rule = new_rule(group_id, data.rule(), ctx.new_id(), ctx.now())
    task_type = "create_security_group_rule"
    return rule, await _edited(ctx, group_id, lambda there: added(there, rule), task_type, rule.id)


async def _edited(
    ctx: RequestContext,
    group_id: str,
    edit: Callable[[Rules], Rules],
    task_type: str = "update_security_group",
    new: str = "",
) -> str:
    """Write down the task that gives a group other rules; its id."""

    async def write(tx: Tx) -> str:
        group = await security_groups.get(tx, ctx.place, group_id)
        rules = edit(await security_groups.rules_of(tx, group_id))
        return (
            await update_security_group(tx, ctx, group, SecurityGroupChange(rules=rules), task_type=task_type, new=new)
            or ""
        )

    return await ctx.db.write(write)


ROUTES = [
    create_security_group_rule, delete_security_group_rule, add_security_group_rule, replace_security_group_rule,
    drop_security_group_rule,
]  # fmt: skip
