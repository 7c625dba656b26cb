"""Routes of subnets."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.routes.network.network_views import build_subnet_views, read_subnet_view
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.network.networks import OwnedBy
from pileus.api.wire.network.subnet_requests import CreateSubnet, UpdateSubnet
from pileus.api.wire.network.subnets import SubnetOrder, SubnetView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import subnets as subnet_service
from pileus.store.account import projects
from pileus.store.network import subnets

ALL = "/cloud/v1/subnets/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{subnet_id:str}}"
NOUN = MetadataRouteConfig(
    path=ONE,
    tag="Networks",
    kind=subnets.KIND,
    group="subnet",
    get=subnets.get,
    lock=subnets.TABLE.lock,
    get_own=subnets.get_own,
)


@get(ALL, opt=READ, tags=["Networks"])
async def list_subnets(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    network_id: FromQuery[str | None] = None,
    owned_by: FromQuery[OwnedBy] = "project",
    order_by: FromQuery[SubnetOrder] = "cidr.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[SubnetView]:
    """List the subnets of the project, or with `owned_by=any` also those of external and shared networks.

    Subnets must have all tags of `tag_key` and `tag_key_value` (a JSON map). CIDRs are sorted by address.
    """
    subnet_filter = subnets.SubnetFilter(
        own=owned_by == "project", network_id=network_id, tag_keys=tag_filter.keys, tag_pairs=tag_filter.pairs
    )
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, counted = await subnets.page(tx, place, subnet_filter, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await build_subnet_views(tx, ctx, counted))


@post(ALL, opt=WRITE, status_code=200, tags=["Networks"])
async def create_subnet(ctx: Ctx, data: JSONBody[CreateSubnet]) -> TaskIds:
    """Create a subnet in a network of the project.

    The CIDR must be private. It must not overlap with other subnets of the network or of the router. Unless
    `connect_to_network_router` is false, the subnet is attached to the router `router_id_to_connect`, or else to the
    router that was created with the network, if there is one; the subnet needs a gateway then. Without
    `dns_nameservers` hosts get the provider's name servers, with `[]` none. A subnet can have at most 5 name servers
    and 20 host routes. If the task fails, nothing remains.
    """
    return await ctx.submit_task(
        lambda tx, task_id: subnet_service.create_subnet(
            tx,
            ctx,
            data.network_id,
            data.to_new_subnet(),
            task_id,
            connect_to_router=data.connect_to_network_router,
            router_id=data.router_id_to_connect,
            user_tags=data.effective_tags(),
        )
    )


@get(ONE, opt=READ, tags=["Networks"])
async def get_subnet(ctx: Ctx, subnet_id: FromPath[str]) -> SubnetView:
    """Get a subnet, with the numbers of its addresses and of its free addresses."""
    return await read_subnet_view(ctx, subnet_id)


@patch(ONE, opt=WRITE, tags=["Networks"])
async def update_subnet(ctx: Ctx, subnet_id: FromPath[str], data: JSONBody[UpdateSubnet]) -> SubnetView:
    """Change name, tags, gateway, DHCP, name servers or host routes of a subnet, by JSON merge patch (RFC 7386).

    A gateway of null removes the gateway; it is ignored while a router has the gateway's address. The gateway cannot
    change while a port or router has the old or the new address. Lists replace the previous lists; at most 5 name
    servers and 20 host routes. Waits up to 25 seconds for the task and returns the subnet.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: subnet_service.update_subnet(tx, ctx, subnet_id, data.to_patch(), task_id)
    )
    return await read_subnet_view(ctx, subnet_id)


@delete(ONE, opt=WRITE, status_code=200, tags=["Networks"])
async def delete_subnet(ctx: Ctx, subnet_id: FromPath[str]) -> TaskIds:
    """Delete a subnet and detach it from its routers.

    The answer is 409 while a port has an address of the subnet, and 400 if a route of a router has its next hop there.
    """
    return await ctx.submit_task(lambda tx, task_id: subnet_service.delete_subnet(tx, ctx, subnet_id, task_id))


ROUTES = [list_subnets, create_subnet, get_subnet, update_subnet, delete_subnet, *make_metadata_routes(NOUN)]
