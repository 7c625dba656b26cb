"""Networks: list, make, look at, change and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.network.network_views import show_network, show_networks
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
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.domain.network.networks import MTU, Network, NetworkPatch
from pileus.domain.network.routers import Router, check_no_route_via, default_router_name
from pileus.domain.tags import make_tags, merged, validate_tags
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.router_interfaces import check_no_floating_ip_uses, new_router, set_external_gateway
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets

PLACE = "networks/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{network_id:str}}"
NOUN = TaggedResource(
    path=ONE,
    parameter="network_id",
    tag="Networks",
    name="Network",
    kind=networks.KIND,
    group="network",
    get=networks.get,
    own=networks.get_own,
)


@get(ALL, opt=READ, tags=["Networks"])
async def list_networks(  # each is a parameter of the operation
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    network_type: FromQuery[NetworkType | None] = None,
    external: FromQuery[bool | None] = None,
    owned_by: FromQuery[OwnedBy] = "project",
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    order_by: FromQuery[NetworkOrder] = "created_at.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[NetworkView]:
    """List the project's own networks, or with `owned_by=any` also external and shared ones.

    `name` asks for the whole name, `tag_key` and `tag_key_value` (a map as JSON) for all of their tags. No network has
    priority over another: `priority.desc` lists the latest first.
    """
    own, its = owned_by == "project", parse_tag_filter(tag_key_value)
    wanted = networks.NetworkFilter(
        own=own, name=name, network_type=network_type, external=external, tag_keys=tag_key, tag_pairs=its
    )
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await networks.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await show_networks(tx, ctx, found))


@post(ALL, opt=WRITE, status_code=200, tags=["Networks"])
async def create_network(ctx: Ctx, data: JSONBody[CreateNetwork]) -> TaskIds:
    """Make a network, and with it a router that leads out, unless `create_router` is false.

    Subnets made in it later are joined to that router. A task that fails leaves nothing behind.
    """
    ctx.region()
    task_id, its = ctx.new_id(), make_tags(validate_tags(data.tags or data.metadata or {}).items())

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        await check_quotas(tx, ctx, {"network_count": 1, "router_count": int(data.create_router)})
        network = await networks.add(tx, await _planned(tx, ctx, data, task_id))
        await tags.add(tx, networks.KIND, ctx.place, network.id, its)
        router_id = await _with_router(tx, ctx, network, task_id) if data.create_router else None
        args = {"network_id": network.id, "router_id": router_id}
        told = {"name": network.name, "type": network.type, "create_router": data.create_router}
        await ctx.start_task(tx, "create_network", task_id, args, data={**args, **told})
        await ctx.audit(tx, "network", "create", network.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Networks"])
async def get_network(ctx: Ctx, network_id: FromPath[str]) -> NetworkView:
    """Show a network: one of the project's own, an external or a shared one."""
    async with ctx.db.read() as tx:
        return await show_network(tx, ctx, await networks.get(tx, ctx.place, network_id))


@patch(f"/cloud/v2/{PLACE}/{{network_id:str}}", opt=WRITE, status_code=200, tags=["Networks"])
async def update_network(ctx: Ctx, network_id: FromPath[str], data: JSONBody[UpdateNetwork]) -> TaskIds:
    """Rename a network or change its tags, by JSON merge patch (RFC 7386), in a task.

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all. Where
    nothing would change there is no task. While a task holds the network the answer is 409.
    """
    task_id = await _changed(ctx, network_id, data.patch())
    return TaskIds(tasks=[task_id] if task_id else [])


@patch(ONE, opt=WRITE, deprecated=True, tags=["Networks"])
async def update_network_and_wait(ctx: Ctx, network_id: FromPath[str], data: JSONBody[UpdateNetwork]) -> NetworkView:
    """Rename a network or change its tags, and answer with it afterwards. Use version 2 instead."""
    await ctx.wait_for_task(await _changed(ctx, network_id, data.patch()))
    async with ctx.db.read() as tx:
        return await show_network(tx, ctx, await networks.get(tx, ctx.place, network_id))


@delete(ONE, opt=WRITE, status_code=200, tags=["Networks"])
async def delete_network(ctx: Ctx, network_id: FromPath[str]) -> TaskIds:
    """Delete a network with its subnets; while there are ports in it the answer is 409.

    The router that was made with it goes too, unless it joins other networks by now.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await networks.get_own(tx, ctx.place, network_id)
        await networks.save(tx, before, before.locked(task_id))
        if await networks.has_ports(tx, network_id):
            raise Conflict(f"Network {network_id} has ports: delete what uses them first")
        router = await _going_too(tx, before, task_id)
        await _subnets_locked(tx, network_id, task_id, router)
        args = {"network_id": network_id, "router_id": router.id if router else None}
        await ctx.start_task(tx, "delete_network", task_id, args, data={"network_id": network_id})
        await ctx.audit(tx, "network", "delete", network_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(f"{ONE}/ports", opt=READ, tags=["Networks"])
async def list_network_ports(ctx: Ctx, network_id: FromPath[str]) -> Page[PortWithInstance]:
    """List the ports that the project's instances have in a network, all of them."""
    async with ctx.db.scan() as tx:
        network = await networks.get(tx, ctx.place, network_id)
        found = await networks.ports_with_instances(tx, ctx.place, network.id)
    results = [PortWithInstance(id=port, instance_id=instance, instance_name=name) for port, instance, name in found]
    return Page(count=len(results), results=results)


async def _planned(tx: Tx, ctx: RequestContext, data: CreateNetwork, task_id: str) -> Network:
    network_id, place, now = ctx.new_id(), ctx.place, ctx.now()
    return Network(
        id=network_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=data.name,
        type=data.type,
        mtu=MTU[data.type],
        segmentation_id=await networks.free_segment(tx, place.region_id, data.type, network_id),
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def _with_router(tx: Tx, ctx: RequestContext, network: Network, task_id: str) -> str:
    """Write the router that is made with a network; its id."""
    outside = ctx.catalogue.external_network_id(ctx.place.region_id)
    alone = new_router(ctx, default_router_name(network), task_id)
    router = await routers.add(tx, replace(alone, network_id=network.id, external_network_id=outside))
    await set_external_gateway(tx, ctx, router, outside)
    return router.id


async def _changed(ctx: RequestContext, network_id: str, change: NetworkPatch) -> str | None:
    """Lock a network and write down the task that changes it; its id, or None where nothing would change."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> str | None:
        before = (await networks.get_own(tx, ctx.place, network_id)).require_unlocked()
        old = await tags.of(tx, network_id)
        same = {"name": before.name, "tags": old}
        if {"name": change.get("name", before.name), "tags": merged(old, change.get("tags", {}))} == same:
            return None
        await networks.save(tx, before, before.locked(task_id))
        told = to_builtins(change)
        args = {"network_id": network_id, "patch": told}
        await ctx.start_task(tx, "update_network", task_id, args, data={"network_id": network_id, **told})
        await ctx.audit(tx, "network", "update", network_id, data=told, task_id=task_id, name=before.name)
        return task_id

    started = await ctx.db.write(write)
    ctx.app.wake_engine()
    return started


async def _going_too(tx: Tx, network: Network, task_id: str) -> Router | None:
    """The router that goes with a network, held by the task that deletes it."""
    router = await routers.find_created_with_network(tx, network.id)
    legs = await router_interfaces.of(tx, router.id) if router else []
    if router is None or any(not leg.port.gateway and leg.port.network_id != network.id for leg in legs):
        return None
    await check_no_floating_ip_uses(tx, router)
    return await routers.save(tx, router, router.locked(task_id))


async def _subnets_locked(tx: Tx, network_id: str, task_id: str, going: Router | None) -> None:
    """Let a task hold a network's subnets, if the routers that stay can do without them."""
    for subnet in await subnets.of_network(tx, network_id):
        await subnets.save(tx, subnet, subnet.locked(task_id))
        for router in await routers.of_subnet(tx, subnet.id):
            if going is None or router.id != going.id:
                check_no_route_via(router.require_unlocked().routes, subnet)
                await routers.bump_revision(tx, router)


ROUTES = [
    list_networks, create_network, get_network, update_network, update_network_and_wait, delete_network,
    list_network_ports, *metadata_routes(NOUN),
]  # fmt: skip
