"""Placement groups: list, make, look at and delete them."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.placement_groups import CreatePlacementGroup, PlacementGroupView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.services.account.request_quotas import check_quotas
from pileus.store.account import projects
from pileus.store.compute import placement_groups
from pileus.store.database import Tx

ALL = "/cloud/v1/servergroups/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{group_id:str}}"


@get(ALL, opt=READ, tags=["Placement Groups"])
async def list_placement_groups(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[PlacementGroupView]:
    """List placement groups with their members, the oldest first."""
    region = ctx.region().display_name
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await placement_groups.page(tx, place, limit=limit, offset=offset)
        members = await placement_groups.members_of_each(tx, [group.id for group in found])
    return Page(count=count, results=[PlacementGroupView.of(group, members[group.id], region) for group in found])


@post(ALL, opt=WRITE, status_code=200, tags=["Placement Groups"])
async def create_placement_group(ctx: Ctx, data: JSONBody[CreatePlacementGroup]) -> PlacementGroupView:
    """Make a placement group.

    Instances in it stand together on one host (`affinity`), each on another (`anti-affinity`), or apart as far as there
    are hosts (`soft-anti-affinity`).
    """
    region, place = ctx.region().display_name, ctx.place
    group = PlacementGroup(
        id=ctx.new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=data.name,
        policy=data.policy,
        created_at=ctx.now(),
    )

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, place)
        await check_quotas(tx, ctx, {"servergroup_count": 1})
        await placement_groups.add(tx, group)
        await ctx.audit(tx, "servergroup", "create", group.id, data=to_builtins(data))

    await ctx.db.write(write)
    return PlacementGroupView.of(group, [], region)


@get(ONE, opt=READ, tags=["Placement Groups"])
async def get_placement_group(ctx: Ctx, group_id: FromPath[str]) -> PlacementGroupView:
    """Show a placement group with its members."""
    async with ctx.db.read() as tx:
        group = await placement_groups.get(tx, ctx.place, group_id)
        members = await placement_groups.members_of_each(tx, [group_id])
    return PlacementGroupView.of(group, members[group_id], ctx.region().display_name)


@delete(ONE, opt=WRITE, status_code=200, tags=["Placement Groups"])
async def delete_placement_group(ctx: Ctx, group_id: FromPath[str]) -> TaskIds:
    """Delete a placement group; its members stay where they stand."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        group = await placement_groups.get(tx, ctx.place, group_id)
        await placement_groups.save(tx, group, group.locked(task_id))
        told = {"servergroup_id": group_id}
        await ctx.start_task(tx, "delete_servergroup", task_id, told, data=told)
        await ctx.audit(tx, "servergroup", "delete", group_id, task_id=task_id, name=group.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [list_placement_groups, create_placement_group, get_placement_group, delete_placement_group]
