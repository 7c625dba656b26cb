"""Build the views of networks, subnets and routers from the records and what belongs to them."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.wire.network.networks import NetworkView, NetworkWithSubnetsView
from pileus.api.wire.network.routers import RouterView
from pileus.api.wire.network.subnets import SubnetView
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.routers import Router
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import addresses, networks, router_interfaces, routers, subnets


async def build_network_views(tx: Tx, ctx: RequestContext, records: Sequence[Network]) -> list[NetworkView]:
    """Return the views of networks with the ids of their subnets."""
    ids, region = [network.id for network in records], ctx.require_region().display_name
    tags_by_id, subnets_by_id = await tags.list_by_resources(tx, ids), await subnets.list_by_networks(tx, ids)
    return await build_in_turns(
        NetworkView.of(network, subnets_by_id[network.id], tags_by_id[network.id], region) for network in records
    )


async def build_network_view(tx: Tx, ctx: RequestContext, network: Network) -> NetworkView:
    """Return the view of one network."""
    (view,) = await build_network_views(tx, ctx, [network])
    return view


async def read_network_view(ctx: RequestContext, network_id: str) -> NetworkView:
    """Read a network. Raises NotFound."""
    async with ctx.db.read() as tx:
        return await build_network_view(tx, ctx, await networks.get(tx, ctx.place, network_id))


async def build_network_with_subnets_views(
    tx: Tx, ctx: RequestContext, records: Sequence[Network]
) -> list[NetworkWithSubnetsView]:
    """Return the views of networks with the views of their subnets."""
    ids, region = [network.id for network in records], ctx.require_region().display_name
    tags_by_id, subnets_by_id = await tags.list_by_resources(tx, ids), await subnets.list_by_networks(tx, ids)
    all_subnets = [subnet for network_id in ids for subnet in subnets_by_id[network_id]]
    used = await addresses.count_in_use_by_subnet(tx, [subnet.id for subnet in all_subnets])
    views = await build_subnet_views(tx, ctx, [(subnet, used.get(subnet.id, 0)) for subnet in all_subnets])
    view_by_id = {view.id: view for view in views}
    return await build_in_turns(
        NetworkWithSubnetsView.of(
            network, [view_by_id[subnet.id] for subnet in subnets_by_id[network.id]], tags_by_id[network.id], region
        )
        for network in records
    )


async def build_subnet_views(
    tx: Tx, ctx: RequestContext, subnet_usages: Sequence[subnets.SubnetUsage]
) -> list[SubnetView]:
    """Return the views of subnets with the numbers of their free addresses."""
    tags_by_id, region = (
        await tags.list_by_resources(tx, [subnet.id for subnet, _ in subnet_usages]),
        ctx.require_region().display_name,
    )
    return await build_in_turns(
        SubnetView.of(subnet, tags_by_id[subnet.id], region, ctx.place.project_id, subnet.available_address_count(used))
        for subnet, used in subnet_usages
    )


async def read_subnet_view(ctx: RequestContext, subnet_id: str) -> SubnetView:
    """Read a subnet. Raises NotFound."""
    async with ctx.db.read() as tx:
        return await _show_subnet(tx, ctx, await subnets.get(tx, ctx.place, subnet_id))


async def build_router_views(tx: Tx, ctx: RequestContext, records: Sequence[Router]) -> list[RouterView]:
    """Return the views of routers with their interfaces."""
    interfaces = await router_interfaces.list_by_routers(tx, [router.id for router in records])
    region = ctx.require_region().display_name
    return await build_in_turns(RouterView.of(router, interfaces[router.id], region) for router in records)


async def read_router_view(ctx: RequestContext, router_id: str) -> RouterView:
    """Read a router. Raises NotFound."""
    async with ctx.db.read() as tx:
        (view,) = await build_router_views(tx, ctx, [await routers.get(tx, ctx.place, router_id)])
    return view


async def _show_subnet(tx: Tx, ctx: RequestContext, subnet: Subnet) -> SubnetView:
    used = await addresses.count_in_use_by_subnet(tx, [subnet.id])
    (view,) = await build_subnet_views(tx, ctx, [(subnet, used.get(subnet.id, 0))])
    return view
