"""Networks that a project may use, with their whole subnets: how older clients look for one."""

from litestar import get
from litestar.params import FromQuery

from pileus.api.auth import READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.network_views import show_details
from pileus.api.wire.network.networks import NetworkDetails, NetworkOrder, NetworkType
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import parse_tag_filter
from pileus.store.account import projects
from pileus.store.network import networks


@get("/cloud/v1/availablenetworks/{project_id:int}/{region_id:int}", opt=READ, deprecated=True, tags=["Networks"])
async def list_available_networks(  # each is a parameter of the operation
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    network_id: FromQuery[str | None] = None,
    network_type: FromQuery[NetworkType | None] = None,
    external: FromQuery[bool | None] = None,
    shared: FromQuery[bool | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    order_by: FromQuery[NetworkOrder] = "created_at.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[NetworkDetails]:
    """List every network that the project may use, with its subnets. Use the list of networks and of subnets instead.

    `name` asks for the whole name, `tag_key` and `tag_key_value` (a map as JSON) for all of their tags.
    """
    wanted = networks.NetworkFilter(
        own=False, network_id=network_id, name=name, network_type=network_type, external=external, shared=shared,
        tag_keys=tag_key, tag_pairs=parse_tag_filter(tag_key_value),
    )  # fmt: skip
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await networks.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await show_details(tx, ctx, found))


ROUTES = [list_available_networks]
