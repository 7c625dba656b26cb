"""The legacy list of networks with their subnets."""

from litestar import get
from litestar.params import FromQuery

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.network_views import build_network_with_subnets_views
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.network.networks import NetworkOrder, NetworkType, NetworkWithSubnetsView
from pileus.api.wire.paging import Page
from pileus.store.account import projects
from pileus.store.network import networks


@get("/cloud/v1/availablenetworks/{project_id:int}/{region_id:int}", opt=READ, deprecated=True, tags=["Networks"])
async def list_available_networks(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    name: FromQuery[str | None] = None,
    network_id: FromQuery[str | None] = None,
    network_type: FromQuery[NetworkType | None] = None,
    external: FromQuery[bool | None] = None,
    shared: FromQuery[bool | None] = None,
    order_by: FromQuery[NetworkOrder] = "created_at.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[NetworkWithSubnetsView]:
    """List all networks that the project can use, with their subnets.

    `name` matches the full name. Networks must have all tags of `tag_key` and `tag_key_value` (a JSON map).
    Deprecated: use the lists of networks and of subnets.
    """
    network_filter = networks.NetworkFilter(
        own=False, network_id=network_id, name=name, network_type=network_type, external=external, shared=shared,
        tag_keys=tag_filter.keys, tag_pairs=tag_filter.pairs,
    )  # fmt: skip
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await networks.page(tx, place, network_filter, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await build_network_with_subnets_views(tx, ctx, records))


ROUTES = [list_available_networks]
