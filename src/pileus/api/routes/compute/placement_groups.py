"""Routes of placement groups."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.placement_group_requests import CreatePlacementGroup
from pileus.api.wire.compute.placement_groups import PlacementGroupView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.compute import placement_groups as placement_group_service
from pileus.store.account import projects
from pileus.store.compute import placement_groups
from pileus.store.loop_turns import build_in_turns

ALL = "/cloud/v1/servergroups/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{group_id:str}}"


@get(ALL, opt=READ, tags=["Placement Groups"])
async def list_placement_groups(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[PlacementGroupView]:
    """List placement groups with their members, oldest first."""
    region = ctx.require_region().display_name
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await placement_groups.page(tx, place, limit=limit, offset=offset)
        members = await placement_groups.list_members_by_group(tx, [group.id for group in page])
    return Page(
        count=count,
        results=await build_in_turns(PlacementGroupView.of(group, members[group.id], region) for group in page),
    )


@post(ALL, opt=WRITE, status_code=200, tags=["Placement Groups"])
async def create_placement_group(ctx: Ctx, data: JSONBody[CreatePlacementGroup]) -> PlacementGroupView:
    """Create a placement group.

    The policy places its instances on one host (`affinity`), each on a host of its own (`anti-affinity`), or each on a
    host of its own while there are hosts left (`soft-anti-affinity`).
    """
    group = await ctx.write(lambda tx: placement_group_service.create_placement_group(tx, ctx, data.name, data.policy))
    return PlacementGroupView.of(group, [], ctx.require_region().display_name)


@get(ONE, opt=READ, tags=["Placement Groups"])
async def get_placement_group(ctx: Ctx, group_id: FromPath[str]) -> PlacementGroupView:
    """Get a placement group with its members."""
    async with ctx.db.read() as tx:
        group = await placement_groups.get(tx, ctx.place, group_id)
        members = await placement_groups.list_members_by_group(tx, [group_id])
    return PlacementGroupView.of(group, members[group_id], ctx.require_region().display_name)


@delete(ONE, opt=WRITE, status_code=200, tags=["Placement Groups"])
async def delete_placement_group(ctx: Ctx, group_id: FromPath[str]) -> TaskIds:
    """Delete a placement group. Its instances stay on their hosts."""
    return await ctx.submit_task(
        lambda tx, task_id: placement_group_service.delete_placement_group(tx, ctx, group_id, task_id)
    )


ROUTES = [list_placement_groups, create_placement_group, get_placement_group, delete_placement_group]
