"""Routes of security groups."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.routes.network.security_group_views import build_security_group_views, read_security_group_view
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.network.security_group_requests import (
    CopySecurityGroup,
    CreateSecurityGroup,
    UpdateSecurityGroup,
)
from pileus.api.wire.network.security_groups import SecurityGroupView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.services.network import security_groups as security_group_service
from pileus.store.account import projects
from pileus.store.network import security_groups

PLACE = "{project_id:int}/{region_id:int}"
ALL_V1 = f"/cloud/v1/securitygroups/{PLACE}"
ONE = f"{ALL_V1}/{{group_id:str}}"
ALL_V2 = f"/cloud/v2/security_groups/{PLACE}"
NOUN = MetadataRouteConfig(
    path=ONE,
    tag="Security Groups",
    kind=security_groups.KIND,
    group="securitygroup",
    get=security_groups.get,
    lock=security_groups.TABLE.lock,
)


@get(ALL_V1, opt=READ, tags=["Security Groups"])
async def list_security_groups(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    name: FromQuery[str | None] = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> Page[SecurityGroupView]:
    """List security groups with their rules, the oldest first. Each project has a default group in each region.

    `name` matches the full name. Groups must have all tags of `tag_key` and `tag_key_value` (a JSON map).
    """
    ctx.require_region()
    await _ensure_default_group(ctx)
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await security_groups.page(
            tx, place, name=name, tag_keys=tag_filter.keys, tag_pairs=tag_filter.pairs, limit=limit, offset=offset
        )
        return Page(count=count, results=await build_security_group_views(tx, ctx, records))


@post(ALL_V2, opt=WRITE, status_code=200, tags=["Security Groups"])
async def create_security_group(ctx: Ctx, data: JSONBody[CreateSecurityGroup]) -> TaskIds:
    """Create a security group. Without `rules` it gets the default rules; with `[]` nothing is allowed.

    The default rules allow no ingress, and all egress but port 25. Egress rules that open port 25 for TCP or UDP, also
    by a range or by all ports or protocols, are refused. Operators can change both.
    """
    return await ctx.submit_task(
        lambda tx, task_id: security_group_service.create_security_group(
            tx, ctx, data.name, data.description, data.to_new_rules(), task_id, user_tags=data.effective_tags()
        )
    )


@get(ONE, opt=READ, tags=["Security Groups"])
async def get_security_group(ctx: Ctx, group_id: FromPath[str]) -> SecurityGroupView:
    """Get a security group with its rules."""
    return await read_security_group_view(ctx, group_id)


@patch(f"{ALL_V2}/{{group_id:str}}", opt=WRITE, status_code=200, tags=["Security Groups"])
async def update_security_group(ctx: Ctx, group_id: FromPath[str], data: JSONBody[UpdateSecurityGroup]) -> TaskIds:
    """Change a security group in a task. Absent fields stay; `rules` replace all rules.

    Rules that the group has already keep their ids. Tags are a JSON merge patch (RFC 7386). If nothing changes, no
    task is started.
    """
    return await ctx.submit_task(
        lambda tx, task_id: security_group_service.update_security_group(
            tx,
            ctx,
            group_id,
            task_id,
            name=data.name,
            description=data.description,
            rules=data.to_new_rules(),
            tag_changes=data.tags,
        )
    )


@post(f"{ONE}/copy", opt=WRITE, status_code=200, tags=["Security Groups"])
async def copy_security_group(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CopySecurityGroup]
) -> SecurityGroupView:
    """Create a security group with the same rules and description. Waits up to 25 seconds and returns the copy."""
    group = await ctx.submit_task_and_wait(
        lambda tx, task_id: security_group_service.copy_security_group(tx, ctx, group_id, data.name, task_id)
    )
    return await read_security_group_view(ctx, group.id)


@post(f"{ONE}/revert", opt=WRITE, status_code=200, tags=["Security Groups"])
async def revert_security_group(ctx: Ctx, group_id: FromPath[str]) -> SecurityGroupView:
    """Replace the rules of a security group by the default rules: those of a group created without `rules`.

    Waits up to 25 seconds for the task and returns the group.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: security_group_service.revert_to_default_rules(tx, ctx, group_id, task_id)
    )
    return await read_security_group_view(ctx, group_id)


@delete(ONE, opt=WRITE, status_code=204, tags=["Security Groups"])
async def delete_security_group(ctx: Ctx, group_id: FromPath[str]) -> None:
    """Delete a security group. Waits up to 25 seconds for the task.

    While a port has the group, or a rule of another group refers to it, the answer is 409.
    """
    task_id = ctx.new_ordered_id()
    await ctx.write(lambda tx: security_group_service.delete_security_group(tx, ctx, group_id, task_id))
    if await ctx.wait_for_task(task_id):
        await _check_deleted(ctx, group_id, task_id)


async def _ensure_default_group(ctx: RequestContext) -> None:
    async with ctx.db.read() as tx:
        if await security_groups.find_default(tx, ctx.place) is not None:
            return
    await ctx.write(lambda tx: security_group_service.ensure_default_security_group(tx, ctx))


async def _check_deleted(ctx: RequestContext, group_id: str, task_id: str) -> None:
    """Raise Conflict if the group still exists, because its task has failed."""
    async with ctx.db.read() as tx:
        group = await security_groups.find(tx, group_id)
    if group is not None:
        raise Conflict(f"Security group {group.name} was not deleted: see the error of task {task_id}")


ROUTES = [
    list_security_groups, create_security_group, get_security_group, update_security_group, copy_security_group,
    revert_security_group, delete_security_group, *make_metadata_routes(NOUN),
]  # fmt: skip
