"""Routes that create and update security groups in version 1, and wait for the tasks."""

from litestar import patch, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.network.security_group_views import read_security_group_view
from pileus.api.wire.network.security_group_requests import CreateLegacySecurityGroup, UpdateLegacySecurityGroup
from pileus.api.wire.network.security_groups import SecurityGroupView
from pileus.services.network import instance_security_groups as security_group_service
from pileus.services.network import security_group_rules as rule_service

ALL = "/cloud/v1/securitygroups/{project_id:int}/{region_id:int}"


@post(ALL, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def create_security_group_and_wait(ctx: Ctx, data: JSONBody[CreateLegacySecurityGroup]) -> SecurityGroupView:
    """Create a security group and add it to instances. Waits up to 25 seconds for each task and returns the group.

    Deprecated: use version 2.
    """
    new = data.security_group
    group, tasks = await ctx.submit_task_and_wait(
        lambda tx, task_id: security_group_service.create_security_group_on_instances(
            tx,
            ctx,
            new.name,
            new.description or "",
            new.to_new_rules(),
            data.instances,
            task_id,
            user_tags=new.effective_tags(),
        )
    )
    for task in tasks:
        await ctx.wait_for_task(task.id)
    return await read_security_group_view(ctx, group.id)


@patch(f"{ALL}/{{group_id:str}}", opt=WRITE, deprecated=True, tags=["Security Groups"])
async def update_security_group_and_wait(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[UpdateLegacySecurityGroup]
) -> SecurityGroupView:
    """Change a security group, rule by rule. Waits up to 25 seconds for the task and returns the group.

    Deprecated: use version 2.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: rule_service.add_and_remove_rules(
            tx, ctx, group_id, data.rule_additions_and_deletions(), task_id, name=data.name, tag_changes=data.tags
        )
    )
    return await read_security_group_view(ctx, group_id)


ROUTES = [create_security_group_and_wait, update_security_group_and_wait]
