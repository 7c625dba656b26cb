"""Routes of floating IPs."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.routes.network.floating_ip_views import (
    build_floating_ip_views,
    read_floating_ip_view,
)
from pileus.api.routes.network.listed_floating_ip_views import build_listed_floating_ip_views
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.network.floating_ips import (
    AssignFloatingIP,
    ConvertFloatingIPToReservedFixedIP,
    CreateFloatingIP,
    FloatingIPView,
    Status,
    UpdateFloatingIP,
    UpdateFloatingIPTags,
)
from pileus.api.wire.network.listed_floating_ips import ListedFloatingIPView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import floating_ips as floating_ip_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import floating_ips

PLACE = "floatingips/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{floating_ip_id:str}}"
NOUN = MetadataRouteConfig(
    path=ONE,
    tag="Floating IPs",
    kind=floating_ips.KIND,
    group="floating_ip",
    get=floating_ips.get,
    lock=floating_ips.TABLE.lock,
)


@get(ALL, opt=READ, tags=["Floating IPs"])
async def list_floating_ips(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    port_ids: FromQuery[list[str] | None] = None,
    status: FromQuery[Status | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListedFloatingIPView]:
    """List floating IPs with the instances or load balancers that they are assigned to, the oldest first.

    Floating IPs must have all tags of `tag_key` and `tag_key_value` (a JSON map).
    """
    floating_ip_filter = floating_ips.FloatingIPFilter(
        port_ids=port_ids, status=status, tag_keys=tag_filter.keys, tag_pairs=tag_filter.pairs
    )
    ctx.require_region()

    async def read(tx: Tx, observations: Observations) -> Page[ListedFloatingIPView]:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await floating_ips.page(tx, place, floating_ip_filter, limit=limit, offset=offset)
        return Page(count=count, results=await build_listed_floating_ip_views(tx, ctx, observations, records))

    return await read_observed(ctx, ctx.db.scan, read)


@get(
    "/cloud/v1/availablefloatingips/{project_id:int}/{region_id:int}", opt=READ, deprecated=True, tags=["Floating IPs"]
)
async def list_available_floating_ips(ctx: Ctx) -> Page[FloatingIPView]:
    """List the floating IPs that are not assigned. Deprecated: use the list with `status=DOWN`."""
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        unassigned = floating_ips.FloatingIPFilter(free=True)
        count, records = await floating_ips.page(tx, place, unassigned, limit=1000, offset=0)
        return Page(count=count, results=await build_floating_ip_views(tx, ctx, records))


@post(ALL, opt=WRITE, status_code=200, tags=["Floating IPs"])
async def create_floating_ip(ctx: Ctx, data: JSONBody[CreateFloatingIP]) -> TaskIds:
    """Create a floating IP. With `port_id` assign it to the port: to `fixed_ip_address` or its first IPv4 address.

    If the task fails, nothing remains.
    """
    return await ctx.submit_task(
        lambda tx, task_id: floating_ip_service.create_floating_ip(
            tx,
            ctx,
            task_id,
            port_id=data.port_id,
            fixed_ip_address=data.fixed_ip_address,
            user_tags=data.effective_tags(),
            audit_data=to_builtins(data),
        )
    )


@get(ONE, opt=READ, tags=["Floating IPs"])
async def get_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> FloatingIPView:
    """Get a floating IP with the port that it is assigned to."""
    return await read_floating_ip_view(ctx, floating_ip_id)


@patch(f"/cloud/v2/{PLACE}/{{floating_ip_id:str}}", opt=WRITE, status_code=200, tags=["Floating IPs"])
async def update_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[UpdateFloatingIP]) -> TaskIds:
    """Assign a floating IP to another port, unassign it with `"port_id": null`, or change its tags, in a task.

    Without `fixed_ip_address` it is assigned to the port's first IPv4 address. Tags are a JSON merge patch (RFC 7386).
    If nothing changes, no task is started.
    """
    return await ctx.submit_task(
        lambda tx, task_id: floating_ip_service.update_floating_ip(tx, ctx, floating_ip_id, data.to_patch(), task_id)
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=["Floating IPs"])
async def update_floating_ip_tags(
    ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[UpdateFloatingIPTags]
) -> FloatingIPView:
    """Change the tags of a floating IP, by JSON merge patch (RFC 7386). Deprecated: use version 2."""
    await ctx.write(lambda tx: floating_ip_service.update_floating_ip_tags(tx, ctx, floating_ip_id, data.tags))
    return await read_floating_ip_view(ctx, floating_ip_id)


@post(f"{ONE}/assign", opt=WRITE, status_code=200, deprecated=True, tags=["Floating IPs"])
async def assign_floating_ip(
    ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[AssignFloatingIP]
) -> FloatingIPView:
    """Assign a floating IP to a port. Waits up to 25 seconds for the task and returns the floating IP.

    Deprecated: use PATCH.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: floating_ip_service.assign_floating_ip(
            tx, ctx, floating_ip_id, data.port_id, data.fixed_ip_address, task_id
        )
    )
    return await read_floating_ip_view(ctx, floating_ip_id)


@post(f"{ONE}/unassign", opt=WRITE, status_code=200, deprecated=True, tags=["Floating IPs"])
async def unassign_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> FloatingIPView:
    """Unassign a floating IP from its port. Waits up to 25 seconds for the task and returns the floating IP.

    Deprecated: use PATCH.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: floating_ip_service.unassign_floating_ip(tx, ctx, floating_ip_id, task_id)
    )
    return await read_floating_ip_view(ctx, floating_ip_id)


@post(f"{ONE}/convert", opt=WRITE, status_code=200, tags=["Floating IPs"])
async def convert_floating_ip(
    ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[ConvertFloatingIPToReservedFixedIP]
) -> TaskIds:
    """Convert an unassigned floating IP to a reserved fixed IP. It keeps its address, but not its tags."""
    return await ctx.submit_task(
        lambda tx, task_id: floating_ip_service.convert_to_reserved_fixed_ip(
            tx, ctx, floating_ip_id, task_id, audit_data=to_builtins(data)
        )
    )


@delete(ONE, opt=WRITE, status_code=200, tags=["Floating IPs"])
async def delete_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> TaskIds:
    """Delete a floating IP, even if it is assigned. Its address is released, and its DDoS profile is deleted."""
    return await ctx.submit_task(
        lambda tx, task_id: floating_ip_service.delete_floating_ip(tx, ctx, floating_ip_id, task_id)
    )


ROUTES = [
    list_floating_ips, list_available_floating_ips, create_floating_ip, get_floating_ip, update_floating_ip,
    update_floating_ip_tags, assign_floating_ip, unassign_floating_ip, convert_floating_ip, delete_floating_ip,
    *make_metadata_routes(NOUN),
]  # fmt: skip
