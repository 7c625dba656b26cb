"""Routes of single rules of security groups."""

from litestar import delete, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.wire.network.security_group_requests import CreateSecurityGroupRule, ReplaceSecurityGroupRule
from pileus.api.wire.network.security_groups import SecurityGroupRuleView
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import security_group_rules as rule_service

PLACE = "{project_id:int}/{region_id:int}"
OF_GROUP = f"/cloud/v1/securitygroups/{PLACE}/{{group_id:str}}/rules"
ONE = f"/cloud/v1/securitygrouprules/{PLACE}/{{rule_id:str}}"
OF_GROUP_V2 = f"/cloud/v2/security_groups/{PLACE}/{{group_id:str}}/rules"


@post(OF_GROUP_V2, opt=WRITE, status_code=200, tags=["Security Groups"])
async def create_security_group_rule(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CreateSecurityGroupRule]
) -> TaskIds:
    """Create a rule in a security group, in a task. If the group has an equal rule, the answer is 409."""
    return await ctx.submit_task(
        lambda tx, task_id: rule_service.create_security_group_rule(tx, ctx, group_id, data.to_new_rule(), task_id)
    )


@delete(f"{OF_GROUP_V2}/{{rule_id:str}}", opt=WRITE, status_code=200, tags=["Security Groups"])
async def delete_security_group_rule(ctx: Ctx, group_id: FromPath[str], rule_id: FromPath[str]) -> TaskIds:
    """Delete a rule of a security group, in a task."""
    return await ctx.submit_task(
        lambda tx, task_id: rule_service.delete_security_group_rule(tx, ctx, group_id, rule_id, task_id)
    )


@post(OF_GROUP, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def add_security_group_rule(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CreateSecurityGroupRule]
) -> SecurityGroupRuleView:
    """Create a rule in a security group. Waits up to 25 seconds for the task and returns the rule.

    Deprecated: use version 2.
    """
    rule = await ctx.submit_task_and_wait(
        lambda tx, task_id: rule_service.create_security_group_rule(tx, ctx, group_id, data.to_new_rule(), task_id)
    )
    return SecurityGroupRuleView.of(rule)


@put(ONE, opt=WRITE, deprecated=True, tags=["Security Groups"])
async def replace_security_group_rule(
    ctx: Ctx, rule_id: FromPath[str], data: JSONBody[ReplaceSecurityGroupRule]
) -> SecurityGroupRuleView:
    """Replace a rule by a new one in its security group. Waits up to 25 seconds for the task and returns the new rule.

    Deprecated: use PATCH of the security group in version 2.
    """
    rule = await ctx.submit_task_and_wait(
        lambda tx, task_id: rule_service.replace_security_group_rule(
            tx, ctx, data.security_group_id, rule_id, data.to_new_rule(), task_id
        )
    )
    return SecurityGroupRuleView.of(rule)


@delete(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["Security Groups"])
async def delete_security_group_rule_and_wait(ctx: Ctx, rule_id: FromPath[str]) -> None:
    """Delete a rule of a security group. Waits up to 25 seconds for the task. Deprecated: use version 2."""
    await ctx.submit_task_and_wait(
        lambda tx, task_id: rule_service.delete_security_group_rule(tx, ctx, None, rule_id, task_id)
    )


ROUTES = [
    create_security_group_rule, delete_security_group_rule, add_security_group_rule, replace_security_group_rule,
    delete_security_group_rule_and_wait,
]  # fmt: skip
