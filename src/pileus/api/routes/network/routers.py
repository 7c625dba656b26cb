"""Routes of routers and their interfaces."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.network_views import build_router_views, read_router_view
from pileus.api.wire.network.router_requests import (
    AttachSubnetToRouter,
    CreateRouter,
    DetachSubnetFromRouter,
    UpdateRouter,
    UpdateRouterAndWait,
)
from pileus.api.wire.network.routers import RouterView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import routers as router_service
from pileus.store.account import projects
from pileus.store.network import routers

PLACE = "routers/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{router_id:str}}"


@get(ALL, opt=READ, tags=["Routers"])
async def list_routers(
    ctx: Ctx, name: FromQuery[str | None] = None, limit: Limit = 1000, offset: Offset = 0
) -> Page[RouterView]:
    """List routers, the newest first. `name` matches the full name."""
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await routers.page(tx, place, name, limit=limit, offset=offset)
        return Page(count=count, results=await build_router_views(tx, ctx, records))


@post(ALL, opt=WRITE, status_code=200, tags=["Routers"])
async def create_router(ctx: Ctx, data: JSONBody[CreateRouter]) -> TaskIds:
    """Create a router with interfaces in subnets of the project, and an external gateway if requested.

    An `external_gateway_info` of type `default` is in the region's external network, one of type `manual` in the
    network `network_id`. The next hop of each route must be in a subnet of the router. If the task fails, nothing
    remains.
    """
    return await ctx.submit_task(
        lambda tx, task_id: router_service.create_router(
            tx, ctx, data.to_new_router(), task_id, audit_data=to_builtins(data)
        )
    )


@get(ONE, opt=READ, tags=["Routers"])
async def get_router(ctx: Ctx, router_id: FromPath[str]) -> RouterView:
    """Get a router with its external gateway, interfaces and routes."""
    return await read_router_view(ctx, router_id)


@patch(f"/cloud/v2/{PLACE}/{{router_id:str}}", opt=WRITE, status_code=200, tags=["Routers"])
async def update_router(ctx: Ctx, router_id: FromPath[str], data: JSONBody[UpdateRouter]) -> TaskIds:
    """Change a router in a task. Absent fields stay. If nothing changes, no task is started.

    `routes` replace all routes. An `external_gateway_info` of null removes the external gateway; another network gives
    the router a new external address. While another task has locked the router, the answer is 409.
    """
    return await ctx.submit_task(
        lambda tx, task_id: router_service.update_router(tx, ctx, router_id, data.to_patch(), task_id)
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=["Routers"])
async def update_router_and_wait(ctx: Ctx, router_id: FromPath[str], data: JSONBody[UpdateRouterAndWait]) -> RouterView:
    """Change a router. Absent and null fields stay. Waits up to 25 seconds for the task and returns the router.

    Deprecated: use version 2.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: router_service.update_router(tx, ctx, router_id, data.to_patch(), task_id)
    )
    return await read_router_view(ctx, router_id)


@delete(ONE, opt=WRITE, status_code=200, tags=["Routers"])
async def delete_router(ctx: Ctx, router_id: FromPath[str]) -> TaskIds:
    """Delete a router. Its subnets stay. While a floating IP uses the router, the answer is 409."""
    return await ctx.submit_task(lambda tx, task_id: router_service.delete_router(tx, ctx, router_id, task_id))


@post(f"{ONE}/attach", opt=WRITE, status_code=200, tags=["Routers"])
async def attach_subnet(ctx: Ctx, router_id: FromPath[str], data: JSONBody[AttachSubnetToRouter]) -> RouterView:
    """Attach a subnet to a router: at `ip_address`, or else at the subnet's gateway if no other router has it.

    Waits up to 25 seconds for the task and returns the router.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: router_service.attach_subnet(tx, ctx, router_id, data.subnet_id, data.ip_address, task_id)
    )
    return await read_router_view(ctx, router_id)


@post(f"{ONE}/detach", opt=WRITE, status_code=200, tags=["Routers"])
async def detach_subnet(ctx: Ctx, router_id: FromPath[str], data: JSONBody[DetachSubnetFromRouter]) -> RouterView:
    """Detach a subnet from a router.

    The answer is 404 if it is not attached, 400 if a route needs it, and 409 while a floating IP uses it.

    Waits up to 25 seconds for the task and returns the router.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: router_service.detach_subnet(tx, ctx, router_id, data.subnet_id, task_id)
    )
    return await read_router_view(ctx, router_id)


ROUTES = [
    list_routers, create_router, get_router, update_router, update_router_and_wait, delete_router, attach_subnet,
    detach_subnet,
]  # fmt: skip
