"""Routes of bare metal servers. The routes of instances serve them too."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.query_values import parse_selected_ids
from pileus.api.routes.compute.baremetal_filters import FILTER_DEPENDENCIES
from pileus.api.routes.compute.instance_reads import open_console
from pileus.api.routes.compute.instance_views import (
    SERVER,
    InstanceForm,
    keeping_answers,
    show_instance,
    show_instances,
    update_and_show_instance,
)
from pileus.api.routes.compute.instances import SortOrder
from pileus.api.wire.compute.baremetal import ServerView
from pileus.api.wire.compute.baremetal_requests import CreateServer, RebuildServer, ServerPowerActionRequest
from pileus.api.wire.compute.instance_requests import UpdateInstance
from pileus.api.wire.compute.instances import InstanceViewOptions, RemoteConsoleView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import PowerAction
from pileus.services.compute import instance_creation as creation_service
from pileus.services.compute import instance_deletion as deletion_service
from pileus.services.compute import power_actions as power_service
from pileus.services.compute import rebuilds as rebuild_service
from pileus.services.compute.instance_deletion import InstanceDeletionRequest
from pileus.store.account import projects
from pileus.store.compute import instance_list, instances
from pileus.store.compute.instance_list import InstanceFilter

HERE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/bminstances/{HERE}"
ONE = f"{ALL}/{{server_id:str}}"


@get(ALL, opt=READ, dependencies=FILTER_DEPENDENCIES, tags=["Bare Metal"])
async def list_servers(
    ctx: Ctx,
    instance_filter: NamedDependency[InstanceFilter],
    with_ddos: FromQuery[bool] = False,
    with_interfaces_name: FromQuery[bool] = False,
    order_by: FromQuery[SortOrder] = "created.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ServerView]:
    """List the bare metal servers of a project in a region, by default the newest first.

    `name` and `uuid` match parts of the name and the id, `ip` matches the beginning of an address. `tag_key` and
    `tag_value` can be repeated: a server matches if it has one of the keys and one of the values. `tag_key_value` is a
    JSON object: a server matches if it has all of its tags. `with_ddos` adds the DDoS profile to each server;
    `type_ddos_profile`, `profile_name` and `protection_status` filter only together with it.
    """
    ctx.require_region()
    options = InstanceViewOptions(interface_names=with_interfaces_name, ddos_profile=with_ddos)
    form = InstanceForm(view_type=ServerView, options=options)
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await instance_list.page(tx, place, instance_filter, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await show_instances(tx, ctx, page, form))


@post(ALL, opt=WRITE, status_code=200, tags=["Bare Metal"])
async def create_server(ctx: Ctx, data: JSONBody[CreateServer]) -> TaskIds:
    """Create a bare metal server from an image or an app template.

    `ddos_profile` creates a DDoS profile for its public address. The response is the id of the task that creates the
    server. A task that fails leaves nothing behind.
    """
    return await ctx.submit_task(
        lambda tx, task_id: creation_service.create_instance(tx, ctx, ctx.app.drivers, data.to_order(), task_id)
    )


@get(ONE, opt=READ | keeping_answers(SERVER), tags=["Bare Metal"])
async def get_server(ctx: Ctx, server_id: FromPath[str]) -> ServerView:
    """Get a bare metal server with its addresses, DDoS profile and tags."""
    return await show_instance(ctx, server_id, SERVER)


@patch(ONE, opt=WRITE, tags=["Bare Metal"])
async def update_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[UpdateInstance]) -> ServerView:
    """Rename a bare metal server or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, and other tags do not change; `"tags": null` removes all
    tags. Read-only tags never change. The response is 400 if the body has neither `name` nor `tags`, and 409 while a
    task has locked the server.
    """
    return await update_and_show_instance(ctx, server_id, data.to_patch(), SERVER)


@delete(ONE, opt=WRITE, status_code=200, tags=["Bare Metal"])
async def delete_server(
    ctx: Ctx,
    server_id: FromPath[str],
    floating_ip_ids: FromQuery[str | None] = None,
    all_floating_ips: FromQuery[bool] = False,
    reserved_fixed_ip_ids: FromQuery[str | None] = None,
    all_reserved_fixed_ips: FromQuery[bool] = False,
) -> TaskIds:
    """Delete a bare metal server.

    Also deletes its floating IPs and reserved fixed IPs in `floating_ip_ids` and `reserved_fixed_ip_ids`, lists of ids
    separated by commas, or all of them. The others become available.
    """
    request = InstanceDeletionRequest(
        floating_ips=parse_selected_ids("floating_ip_ids", floating_ip_ids, all_ids=all_floating_ips),
        ports=parse_selected_ids("reserved_fixed_ip_ids", reserved_fixed_ip_ids, all_ids=all_reserved_fixed_ips),
    )
    return await ctx.submit_task(
        lambda tx, task_id: deletion_service.delete_instance(
            tx, ctx, server_id, request, task_id, get=instances.get_baremetal
        )
    )


@post(f"/cloud/v2/baremetal/{HERE}/{{server_id:str}}/action", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def act_on_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[ServerPowerActionRequest]) -> TaskIds:
    """Start, stop or reboot a bare metal server (`reboot` softly, `reboot_hard` by a power cycle).

    A server can be started if it is shut off, and rebooted softly if it is active. The response is 409 in any other
    status, and while a task has locked the server. A start also activates the DDoS profiles, unless `activate_profile`
    is false.
    """
    return await _start_power_action(ctx, server_id, data)


@post(
    f"/cloud/v2/bminstances/{HERE}/{{server_id:str}}/action",
    opt=WRITE,
    status_code=200,
    deprecated=True,
    tags=["Bare Metal"],
)
async def act_on_bminstance(ctx: Ctx, server_id: FromPath[str], data: JSONBody[ServerPowerActionRequest]) -> TaskIds:
    """Start, stop or reboot a bare metal server.

    Deprecated: use the path with `baremetal`.
    """
    return await _start_power_action(ctx, server_id, data)


@get(f"/cloud/v3/baremetal/{HERE}/{{server_id:str}}/get_console", opt=WRITE, tags=["Bare Metal"])
async def get_server_console(
    ctx: Ctx, server_id: FromPath[str], console_type: FromQuery[Literal["serial", "vnc"]] = "vnc"
) -> RemoteConsoleView:
    """Open the console of a running server. The URL is valid for some time, for everyone who knows it."""
    async with ctx.db.read() as tx:
        server = await instances.get_baremetal(tx, ctx.place, server_id)
    return await open_console(ctx, server, console_type)


@post(f"{ONE}/rebuild", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def rebuild_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[RebuildServer]) -> TaskIds:
    """Install an image on a bare metal server, by default its present image. All data on the server is lost.

    The server must be active, shut off or in error; its status is `REBUILD` during the task, and it runs after it. Its
    addresses, name and tags stay. If the task fails, the server is in error and can be rebuilt again.
    """
    return await ctx.submit_task(
        lambda tx, task_id: rebuild_service.rebuild_baremetal_server(
            tx, ctx, server_id, data.image_id or None, data.user_data, task_id
        )
    )


async def _start_power_action(ctx: RequestContext, server_id: str, data: ServerPowerActionRequest) -> TaskIds:
    return await ctx.submit_task(
        lambda tx, task_id: power_service.start_power_action(
            tx,
            ctx,
            server_id,
            PowerAction(data.action),
            task_id,
            activate_profiles=data.activate_profile is not False,
            get=instances.get_baremetal,
        )
    )


ROUTES = [
    list_servers,
    create_server,
    get_server,
    update_server,
    delete_server,
    act_on_server,
    act_on_bminstance,
    get_server_console,
    rebuild_server,
]
