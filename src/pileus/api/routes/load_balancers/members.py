"""Routes of members of pools."""

from typing import Annotated, Literal

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.pool_views import read_member_view, read_member_views
from pileus.api.wire.load_balancers.pool_requests import CreateMember, UpdateMember
from pileus.api.wire.load_balancers.pools import MemberView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain import limits
from pileus.services.load_balancers import members as member_service

PLACE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/loadbalancers/{PLACE}/pools/{{pool_id:str}}/members"
ONE = f"{ALL}/{{member_id:str}}"
ALL_OLD = f"/cloud/v1/lbpools/{PLACE}/{{pool_id:str}}/member"
TAGS = ["Load Balancers"]
MemberOrder = Literal["address.asc", "address.desc", "created_at.asc", "created_at.desc"]
MemberSet = Annotated[list[CreateMember], Meta(max_length=limits.POOL_MEMBERS.value)]


@get(ALL, opt=READ, tags=TAGS)
async def list_members(
    ctx: Ctx,
    pool_id: FromPath[str],
    order_by: FromQuery[MemberOrder] = "address.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[MemberView]:
    """List the members of a pool. Addresses are sorted as text."""
    count, views = await read_member_views(ctx, pool_id, order_by, limit=limit, offset=offset)
    return Page(count=count, results=views)


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_member(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[CreateMember]) -> TaskIds:
    """Add a member to a pool. If a member has the same address and port, the answer is 409.

    `subnet_id` names the subnet of the address, and `instance_id` an instance with the address. Without them the
    address is outside of the cloud.
    """
    return await _start_creation(ctx, pool_id, data)


@put(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def replace_members(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[MemberSet]) -> TaskIds:
    """Replace all members of a pool. Members that keep address and port keep their ids and their connections.

    If the pool has exactly these members, no task is started.
    """
    orders = [member.to_new_member() for member in data]
    return await ctx.submit_task(lambda tx, task_id: member_service.replace_members(tx, ctx, pool_id, orders, task_id))


@get(ONE, opt=READ, tags=TAGS)
async def get_member(ctx: Ctx, pool_id: FromPath[str], member_id: FromPath[str]) -> MemberView:
    """Get a member of a pool."""
    return await read_member_view(ctx, pool_id, member_id)


@patch(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def update_member(
    ctx: Ctx, pool_id: FromPath[str], member_id: FromPath[str], data: JSONBody[UpdateMember]
) -> TaskIds:
    """Change weight, backup, state or monitor address of a member. If nothing changes, no task is started.

    Address, port and subnet cannot be changed.
    """
    return await ctx.submit_task(
        lambda tx, task_id: member_service.update_member(tx, ctx, pool_id, member_id, data.to_member_patch(), task_id)
    )


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_member(ctx: Ctx, pool_id: FromPath[str], member_id: FromPath[str]) -> TaskIds:
    """Remove a member from its pool."""
    return await _start_deletion(ctx, pool_id, member_id)


@post(ALL_OLD, opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def create_member_of_lbpool(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[CreateMember]) -> TaskIds:
    """Add a member to a pool like `/loadbalancers/…/pools/{pool_id}/members`, which takes the place of this path."""
    return await _start_creation(ctx, pool_id, data)


@delete(f"{ALL_OLD}/{{member_id:str}}", opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def delete_member_of_lbpool(ctx: Ctx, pool_id: FromPath[str], member_id: FromPath[str]) -> TaskIds:
    """Remove a member like `/loadbalancers/…/pools/{pool_id}/members`, which takes the place of this path."""
    return await _start_deletion(ctx, pool_id, member_id)


async def _start_creation(ctx: RequestContext, pool_id: str, data: CreateMember) -> TaskIds:
    return await ctx.submit_task(
        lambda tx, task_id: member_service.create_member(tx, ctx, pool_id, data.to_new_member(), task_id)
    )


async def _start_deletion(ctx: RequestContext, pool_id: str, member_id: str) -> TaskIds:
    return await ctx.submit_task(lambda tx, task_id: member_service.delete_member(tx, ctx, pool_id, member_id, task_id))


ROUTES = [
    list_members, create_member, replace_members, get_member, update_member, delete_member, create_member_of_lbpool,
    delete_member_of_lbpool,
]  # fmt: skip
