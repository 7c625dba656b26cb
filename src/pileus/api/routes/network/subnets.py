"""Subnets: list, make, look at, change and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.network.network_views import show_subnet, show_subnets
from pileus.api.wire.network.networks import OwnedBy
from pileus.api.wire.network.subnets import CreateSubnet, SubnetOrder, SubnetView, UpdateSubnet
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import Conflict, invalid
from pileus.domain.network.networks import Subnet
from pileus.domain.network.routers import Router, check_no_route_via
from pileus.domain.network.subnets import SubnetPatch, patched, plan_subnet, same_for_hosts
from pileus.domain.tags import make_tags, validate_tags
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.router_interfaces import add_router_interface
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, routers, subnets

ALL = "/cloud/v1/subnets/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{subnet_id:str}}"
NOUN = TaggedResource(
    path=ONE,
    parameter="subnet_id",
    tag="Networks",
    name="Subnet",
    kind=subnets.KIND,
    group="subnet",
    get=subnets.get,
    own=subnets.get_own,
)


@get(ALL, opt=READ, tags=["Networks"])
async def list_subnets(  # each is a parameter of the operation
    ctx: Ctx,
    network_id: FromQuery[str | None] = None,
    owned_by: FromQuery[OwnedBy] = "project",
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    order_by: FromQuery[SubnetOrder] = "cidr.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[SubnetView]:
    """List the project's own subnets, or with `owned_by=any` also those of external and shared networks.

    `tag_key` and `tag_key_value` (a map as JSON) ask for all of their tags. Ranges are ordered by their addresses.
    """
    own, its = owned_by == "project", parse_tag_filter(tag_key_value)
    wanted = subnets.SubnetFilter(own=own, network_id=network_id, tag_keys=tag_key, tag_pairs=its)
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await subnets.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await show_subnets(tx, ctx, found))


@post(ALL, opt=WRITE, status_code=200, tags=["Networks"])
async def create_subnet(ctx: Ctx, data: JSONBody[CreateSubnet]) -> TaskIds:
    """Make a subnet in a network of the project's own. Its range must be a private one, apart from all that it joins.

    Unless `connect_to_network_router` is false it is joined to the router that was made with the network, if there is
    one, or to `router_id_to_connect`; that needs a gateway. Without `dns_nameservers` hosts are told the provider's,
    with `[]` none. A task that fails leaves nothing behind.
    """
    ctx.region()
    task_id, its = ctx.new_id(), make_tags(validate_tags(data.tags or data.metadata or {}).items())

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        subnet = await _added(tx, ctx, data, task_id)
        await tags.add(tx, subnets.KIND, ctx.place, subnet.id, its)
        router = await _router(tx, ctx, data)
        if router is not None:
            await add_router_interface(tx, ctx, await routers.bump_revision(tx, router.require_unlocked()), subnet)
        told = {"name": subnet.name, "cidr": subnet.cidr, "network_id": subnet.network_id}
        args = {"subnet_id": subnet.id}
        await ctx.start_task(tx, "create_subnet", task_id, args, data={**args, **told})
        await ctx.audit(tx, "subnet", "create", subnet.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Networks"])
async def get_subnet(ctx: Ctx, subnet_id: FromPath[str]) -> SubnetView:
    """Show a subnet, with how many addresses it has and how many are left."""
    async with ctx.db.read() as tx:
        return await show_subnet(tx, ctx, await subnets.get(tx, ctx.place, subnet_id))


@patch(ONE, opt=WRITE, tags=["Networks"])
async def update_subnet(ctx: Ctx, subnet_id: FromPath[str], data: JSONBody[UpdateSubnet]) -> SubnetView:
    """Change a subnet, by JSON merge patch (RFC 7386): its name, its tags, and what hosts on it are told.

    A gateway of null is none; it can neither be taken from a port or router, nor given where one has that address.
    Lists replace those before. The answer comes when that is done, or with the subnet as it stands after 25 seconds.
    """
    change, task_id = data.patch(), ctx.new_id()

    async def write(tx: Tx) -> SubnetView | None:
        before = (await subnets.get_own(tx, ctx.place, subnet_id)).require_unlocked()
        after, told = patched(before, change, ctx.now()), to_builtins(change)
        if same_for_hosts(before, after):
            await ctx.audit(tx, "subnet", "update", subnet_id, data=told, name=after.name)
            return await show_subnet(tx, ctx, await _saved(tx, ctx, before, after, change))
        await _gateway_free(tx, before, after)
        await subnets.save(tx, before, before.locked(task_id))
        args = {"subnet_id": subnet_id, "patch": told}
        await ctx.start_task(tx, "update_subnet", task_id, args, data={"subnet_id": subnet_id, **told})
        await ctx.audit(tx, "subnet", "update", subnet_id, data=told, task_id=task_id, name=after.name)
        return None

    if done := await ctx.db.write(write):
        return done
    await ctx.wait_for_task(task_id)
    async with ctx.db.read() as tx:
        return await show_subnet(tx, ctx, await subnets.get(tx, ctx.place, subnet_id))


@delete(ONE, opt=WRITE, status_code=200, tags=["Networks"])
async def delete_subnet(ctx: Ctx, subnet_id: FromPath[str]) -> TaskIds:
    """Delete a subnet; while a port has an address of it, or a route of a router leads over it, the answer is 409.

    Routers that join it leave it.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await subnets.get_own(tx, ctx.place, subnet_id)
        await subnets.save(tx, before, before.locked(task_id))
        if await subnets.has_ports(tx, subnet_id):
            raise Conflict(f"Subnet {subnet_id} has ports: delete what uses them first")
        for router in await routers.of_subnet(tx, subnet_id):
            check_no_route_via(router.require_unlocked().routes, before)
            await routers.bump_revision(tx, router)
        await ctx.start_task(tx, "delete_subnet", task_id, {"subnet_id": subnet_id})
        await ctx.audit(tx, "subnet", "delete", subnet_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _added(tx: Tx, ctx: RequestContext, data: CreateSubnet, task_id: str) -> Subnet:
    """Write a new subnet, if it can be and the quotas allow it."""
    network = (await networks.get_own(tx, ctx.place, data.network_id)).require_unlocked()
    catalogue, _place = ctx.catalogue, ctx.place
    await check_quotas(tx, ctx, {"subnet_count": 1})
    others = await subnets.of_network(tx, network.id)
    subnet = plan_subnet(data.wanted(_nameservers(catalogue, data)), network, others, ctx, task_id)
    await networks.bump_revision(tx, network)
    return await subnets.add(tx, subnet)


def _nameservers(catalogue: Catalogue, data: CreateSubnet) -> list[str]:
    """The provider's name servers, of the kind that a subnet can reach."""
    known = [each for subnet in catalogue.networks[0].subnets for each in subnet.dns_nameservers or ()]
    return [each for each in known if (":" in each) == (":" in data.cidr)]


async def _router(tx: Tx, ctx: RequestContext, data: CreateSubnet) -> Router | None:
    """The router that a new subnet is to be joined to; raises Invalid or NotFound."""
    if not data.connect_to_network_router:
        if data.router_id_to_connect is not None:
            raise invalid(router_id_to_connect="A router can be named only if `connect_to_network_router` is true")
        return None
    if data.gateway_ip is None:
        raise invalid(connect_to_network_router="It must be false where `gateway_ip` is null")
    if data.router_id_to_connect is not None:
        return await routers.get(tx, ctx.place, data.router_id_to_connect)
    return await routers.find_created_with_network(tx, data.network_id)


async def _gateway_free(tx: Tx, before: Subnet, after: Subnet) -> None:
    """Return if the gateway stays, or neither the old nor the new one's address is in use; raises Conflict."""
    if before.gateway_ip == after.gateway_ip:
        return
    for gateway in (before.gateway_ip, after.gateway_ip):
        if gateway is not None and await addresses.is_taken(tx, before, gateway):
            raise Conflict(f"Address {gateway} of subnet {before.id} is in use: its gateway cannot change")


async def _saved(tx: Tx, ctx: RequestContext, before: Subnet, after: Subnet, change: SubnetPatch) -> Subnet:
    """Write a subnet's new name and tags."""
    if "tags" in change:
        await tags.patch(tx, subnets.KIND, ctx.place, before.id, change["tags"])
    return await subnets.save(tx, before, after)


ROUTES = [list_subnets, create_subnet, get_subnet, update_subnet, delete_subnet, *metadata_routes(NOUN)]
