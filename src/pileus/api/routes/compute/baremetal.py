"""Bare metal servers: make, list, look at, change and delete them. Among instances they are seen as well."""

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import AppState, Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.compute.baremetal_filters import FILTERED
from pileus.api.routes.compute.instance_list import Order, instance_views
from pileus.api.routes.compute.instance_views import show
from pileus.api.routes.compute.instances import apply_instance_patch
from pileus.api.wire.compute.baremetal import CreateServer, LegacyServerView, ServerView
from pileus.api.wire.compute.instance_requests import UpdateInstance
from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import Kind
from pileus.services.compute.instance_creation import CreateInstanceRequest, create_instance
from pileus.services.compute.instance_deletion import DeletionRequest, SelectedIds, delete_instance
from pileus.store.account import projects
from pileus.store.compute import instance_list, instances
from pileus.store.compute.instance_list import InstanceFilter
from pileus.store.database import Tx

ALL = "/cloud/v1/bminstances/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{server_id:str}}"


@get(ALL, opt=READ, dependencies=FILTERED, tags=["Bare Metal"])
async def list_servers(  # each is a parameter of the operation
    ctx: Ctx,
    wanted: NamedDependency[InstanceFilter],
    with_ddos: FromQuery[bool] = False,
    with_interfaces_name: FromQuery[bool] = False,
    order_by: FromQuery[Order] = "created.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ServerView]:
    """List the bare metal servers of a project in a region, the newest first.

    `name` and `uuid` are parts of the name and the id; `ip` is how an address begins. `tag_value` may be given several
    times and asks for any of them; `tag_key_value` is a JSON object whose pairs must all be there. Protection is shown
    with `with_ddos`; only then `type_ddos_profile`, `profile_name` and `protection_status` narrow the list.
    """
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await instance_list.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        views = await instance_views(tx, ctx, found, names=with_interfaces_name, ddos=with_ddos, detail=True)
    return Page(count=count, results=[_server(ctx.app, view) for view in views])


@post(ALL, opt=WRITE, status_code=200, tags=["Bare Metal"])
async def create_server(ctx: Ctx, data: JSONBody[CreateServer]) -> TaskIds:
    """Make a bare metal server from an image or an app template.

    `ddos_profile` protects its public address at once. The answer names the one task that makes it. A task that fails
    leaves nothing behind.
    """
    ctx.region()
    task_id = ctx.new_id()
    wish = CreateInstanceRequest(
        ssh_key_name=data.ssh_key_name,
        order=data.order,
        kind=(Kind.BAREMETAL,),
        task_type="create_bm",
        protection=data.ddos_profile,
    )
    await ctx.db.write(lambda tx: create_instance(tx, ctx, wish, task_id))
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Bare Metal"])
async def get_server(ctx: Ctx, server_id: FromPath[str]) -> ServerView:
    """Show a bare metal server with its addresses, protection and tags."""
    async with ctx.db.read() as tx:
        return _server(ctx.app, show(ctx.app, *await instances.get_baremetal_with_details(tx, ctx.place, server_id)))


@patch(ONE, opt=WRITE, tags=["Bare Metal"])
async def update_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[UpdateInstance]) -> ServerView:
    """Rename a bare metal server or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all.
    Read-only tags always stay as they are. While a task holds the server the answer is 409.
    """
    change = data.patch()

    async def write(tx: Tx) -> InstanceView:
        found = await instances.get_baremetal_with_details(tx, ctx.place, server_id)
        return show(ctx.app, *await apply_instance_patch(tx, ctx, found, change))

    return _server(ctx.app, await ctx.db.write(write))


@delete(ONE, opt=WRITE, status_code=200, tags=["Bare Metal"])
async def delete_server(  # each is a parameter of the operation
    ctx: Ctx,
    server_id: FromPath[str],
    floating_ip_ids: FromQuery[str | None] = None,
    all_floating_ips: FromQuery[bool] = False,
    reserved_fixed_ip_ids: FromQuery[str | None] = None,
    all_reserved_fixed_ips: FromQuery[bool] = False,
) -> TaskIds:
    """Delete a bare metal server.

    With it go the floating IPs and the reserved fixed IPs that are named, with commas between their ids, or all of
    them. What is not named stays, and is free again.
    """
    floating_ips = SelectedIds(parameter="floating_ip_ids", text=floating_ip_ids, every=all_floating_ips)
    reserved = SelectedIds(parameter="reserved_fixed_ip_ids", text=reserved_fixed_ip_ids, every=all_reserved_fixed_ips)
    doomed = DeletionRequest(floating_ips=floating_ips, ports=reserved, find=instances.get_baremetal)
    return await delete_instance(ctx, server_id, doomed)


def _server(cloud: AppState, view: InstanceView) -> ServerView:
    return (LegacyServerView if cloud.legacy_fields else ServerView).of(view)


ROUTES = [list_servers, create_server, get_server, update_server, delete_server]
