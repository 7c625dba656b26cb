"""Security groups: list, make, look at, change, copy and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.network.security_group_views import show_group, show_groups
from pileus.api.wire.network.security_groups import (
    CopySecurityGroup,
    CreateSecurityGroup,
    SecurityGroupView,
    UpdateSecurityGroup,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.domain.network.security_groups import default_rules
from pileus.domain.network.security_rules import replace_rules
from pileus.domain.tags import make_tags, validate_tags
from pileus.services.network import security_groups as security_group_service
from pileus.services.network.security_groups import SecurityGroupChange, ensure_default_group
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import security_groups

PLACE = "{project_id:int}/{region_id:int}"
OLDER = f"/cloud/v1/securitygroups/{PLACE}"
ONE = f"{OLDER}/{{group_id:str}}"
NEWER = f"/cloud/v2/security_groups/{PLACE}"
NOUN = TaggedResource(
    path=ONE,
    parameter="group_id",
    tag="Security Groups",
    name="Security group",
    kind=security_groups.KIND,
    group="securitygroup",
    get=security_groups.get,
)


@get(OLDER, opt=READ, tags=["Security Groups"])
async def list_security_groups(  # each is a parameter of the operation
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> Page[SecurityGroupView]:
    """List security groups with their rules, the oldest first; each project has a default one in each region.

    `name` asks for the whole name, `tag_key` and `tag_key_value` (a map as JSON) for all of their tags.
    """
    its = parse_tag_filter(tag_key_value)
    ctx.region()
    await ensure_default_group(ctx)
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await security_groups.page(
            tx, place, name=name, tag_keys=tag_key, tag_pairs=its, limit=limit, offset=offset
        )
        return Page(count=count, results=await show_groups(tx, ctx, found))


@post(NEWER, opt=WRITE, status_code=200, tags=["Security Groups"])
async def create_security_group(ctx: Ctx, data: JSONBody[CreateSecurityGroup]) -> TaskIds:
    """Make a security group. Without `rules` everything may go out and nothing come in; with `[]` nothing passes."""
    ctx.region()
    task_id, its = ctx.new_id(), make_tags(validate_tags(data.tags or {}).items())
    rules = None if data.rules is None else [rule.rule() for rule in data.rules]

    async def write(tx: Tx) -> None:
        await security_group_service.create_security_group(
            tx, ctx, task_id, name=data.name, description=data.description, rules=rules, its=its
        )

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Security Groups"])
async def get_security_group(ctx: Ctx, group_id: FromPath[str]) -> SecurityGroupView:
    """Show a security group with its rules."""
    return await show_group(ctx, group_id)


@patch(f"{NEWER}/{{group_id:str}}", opt=WRITE, status_code=200, tags=["Security Groups"])
async def update_security_group(ctx: Ctx, group_id: FromPath[str], data: JSONBody[UpdateSecurityGroup]) -> TaskIds:
    """Let a security group be so, in a task: what is absent stays, `rules` are all that it is to have.

    Rules that it has already keep their ids. Tags are a JSON merge patch (RFC 7386). Where nothing would change there
    is no task.
    """

    async def write(tx: Tx) -> str | None:
        group = await security_groups.get(tx, ctx.place, group_id)
        rules = None
        if data.rules is not None:
            there = await security_groups.rules_of(tx, group_id)
            wanted = [rule.rule() for rule in data.rules]
            rules = replace_rules(group_id, wanted, there, ctx.new_id, ctx.now())
        wish = SecurityGroupChange(name=data.name, description=data.description, rules=rules, tags=data.retagging())
        return await security_group_service.update_security_group(tx, ctx, group, wish)

    task_id = await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id] if task_id else [])


@post(f"{ONE}/copy", opt=WRITE, status_code=200, tags=["Security Groups"])
async def copy_security_group(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CopySecurityGroup]
) -> SecurityGroupView:
    """Make a security group with the same rules; the answer comes when it is there, or after 25 seconds."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> str:
        group = (await security_groups.get(tx, ctx.place, group_id)).require_unlocked()
        rules = [rule.rule for rule in await security_groups.rules_of(tx, group_id)]
        made = await security_group_service.create_security_group(
            tx, ctx, task_id, name=data.name, description=group.description, rules=rules, its={}
        )
        return made.id

    made = await ctx.db.write(write)
    await ctx.wait_for_task(task_id)
    return await show_group(ctx, made)


@post(f"{ONE}/revert", opt=WRITE, status_code=200, tags=["Security Groups"])
async def revert_security_group(ctx: Ctx, group_id: FromPath[str]) -> SecurityGroupView:
    """Give a security group the rules that it would have had if none had been given when it was made."""

    async def write(tx: Tx) -> str | None:
        group = await security_groups.get(tx, ctx.place, group_id)
        there = await security_groups.rules_of(tx, group_id)
        rules = replace_rules(group_id, default_rules(group), there, ctx.new_id, ctx.now())
        return await security_group_service.update_security_group(tx, ctx, group, SecurityGroupChange(rules=rules))

    await ctx.wait_for_task(await ctx.db.write(write))
    return await show_group(ctx, group_id)


@delete(ONE, opt=WRITE, status_code=204, tags=["Security Groups"])
async def delete_security_group(ctx: Ctx, group_id: FromPath[str]) -> None:
    """Delete a security group; while it guards a port, or another's rule speaks of it, the answer is 409.

    The answer comes when it is gone, or after 25 seconds.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        group = await security_groups.get(tx, ctx.place, group_id)
        ports, rules = (
            await security_groups.count_ports(tx, group_id),
            await security_groups.find_referring(tx, group_id),
        )
        await security_groups.save(tx, group, group.removable(ports, rules).locked(task_id))
        await ctx.start_task(tx, "delete_security_group", task_id, {"group_id": group_id}, data={"group_id": group_id})
        await ctx.audit(tx, "securitygroup", "delete", group_id, task_id=task_id, name=group.name)

    await ctx.db.write(write)
    if await ctx.wait_for_task(task_id):
        await _gone(ctx, group_id, task_id)


async def _gone(ctx: RequestContext, group_id: str, task_id: str) -> None:
    """Return if a group is gone; raises Conflict where the task that was to delete it has failed."""
    async with ctx.db.read() as tx:
        left = await security_groups.find(tx, group_id)
    if left is not None:
        raise Conflict(f"Security group {left.name} was not deleted: task {task_id} tells why")


ROUTES = [
    list_security_groups, create_security_group, get_security_group, update_security_group, copy_security_group,
    revert_security_group, delete_security_group, *metadata_routes(NOUN),
]  # fmt: skip
