"""Routes of networks."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.routes.network.network_views import build_network_views, read_network_view
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.network.networks import (
    CreateNetwork,
    NetworkOrder,
    NetworkType,
    NetworkView,
    OwnedBy,
    PortWithInstance,
    UpdateNetwork,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import networks as network_service
from pileus.store.account import projects
from pileus.store.network import networks

PLACE = "networks/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{network_id:str}}"
NOUN = MetadataRouteConfig(
    path=ONE,
    tag="Networks",
    kind=networks.KIND,
    group="network",
    get=networks.get,
    lock=networks.TABLE.lock,
    get_own=networks.get_own,
)


@get(ALL, opt=READ, tags=["Networks"])
async def list_networks(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    name: FromQuery[str | None] = None,
    network_type: FromQuery[NetworkType | None] = None,
    external: FromQuery[bool | None] = None,
    owned_by: FromQuery[OwnedBy] = "project",
    order_by: FromQuery[NetworkOrder] = "created_at.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[NetworkView]:
    """List the networks of the project, or with `owned_by=any` also external and shared networks.

    `name` matches the full name. Networks must have all tags of `tag_key` and `tag_key_value` (a JSON map). All
    networks have the same priority: `priority.desc` lists the newest first.
    """
    network_filter = networks.NetworkFilter(
        own=owned_by == "project", name=name, network_type=network_type, external=external, tag_keys=tag_filter.keys,
        tag_pairs=tag_filter.pairs,
    )  # fmt: skip
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await networks.page(tx, place, network_filter, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await build_network_views(tx, ctx, records))


@post(ALL, opt=WRITE, status_code=200, tags=["Networks"])
async def create_network(ctx: Ctx, data: JSONBody[CreateNetwork]) -> TaskIds:
    """Create a network, and a router with an external gateway unless `create_router` is false.

    Subnets created in the network later are attached to that router. If the task fails, nothing remains.
    """
    return await ctx.submit_task(
        lambda tx, task_id: network_service.create_network(
            tx,
            ctx,
            data.name,
            data.type,
            task_id,
            create_router=data.create_router,
            user_tags=data.effective_tags(),
        )
    )


@get(ONE, opt=READ, tags=["Networks"])
async def get_network(ctx: Ctx, network_id: FromPath[str]) -> NetworkView:
    """Get a network of the project, or an external or shared network."""
    return await read_network_view(ctx, network_id)


@patch(f"/cloud/v2/{PLACE}/{{network_id:str}}", opt=WRITE, status_code=200, tags=["Networks"])
async def update_network(ctx: Ctx, network_id: FromPath[str], data: JSONBody[UpdateNetwork]) -> TaskIds:
    """Rename a network or change its tags, by JSON merge patch (RFC 7386), in a task.

    A tag with a value is set, a tag with null is removed, other tags stay; `"tags": null` removes all tags. If
    nothing changes, no task is started. While another task has locked the network, the answer is 409.
    """
    return await ctx.submit_task(
        lambda tx, task_id: network_service.update_network(tx, ctx, network_id, data.to_patch(), task_id)
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=["Networks"])
async def update_network_and_wait(ctx: Ctx, network_id: FromPath[str], data: JSONBody[UpdateNetwork]) -> NetworkView:
    """Rename a network or change its tags. Waits up to 25 seconds for the task and returns the network.

    Deprecated: use version 2.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: network_service.update_network(tx, ctx, network_id, data.to_patch(), task_id)
    )
    return await read_network_view(ctx, network_id)


@delete(ONE, opt=WRITE, status_code=200, tags=["Networks"])
async def delete_network(ctx: Ctx, network_id: FromPath[str]) -> TaskIds:
    """Delete a network with its subnets. While the network has ports, the answer is 409.

    The router that was created with the network is deleted too, unless subnets of other networks are attached to it.
    """
    return await ctx.submit_task(lambda tx, task_id: network_service.delete_network(tx, ctx, network_id, task_id))


@get(f"{ONE}/ports", opt=READ, tags=["Networks"])
async def list_network_ports(ctx: Ctx, network_id: FromPath[str]) -> Page[PortWithInstance]:
    """List all ports that the project's instances have in a network."""
    async with ctx.db.scan() as tx:
        network = await networks.get(tx, ctx.place, network_id)
        rows = await networks.list_ports_with_instances(tx, ctx.place, network.id)
    results = [
        PortWithInstance(id=port_id, instance_id=instance_id, instance_name=name) for port_id, instance_id, name in rows
    ]
    return Page(count=len(results), results=results)


ROUTES = [
    list_networks, create_network, get_network, update_network, update_network_and_wait, delete_network,
    list_network_ports, *make_metadata_routes(NOUN),
]  # fmt: skip
