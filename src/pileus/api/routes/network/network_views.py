"""Networks, subnets and routers with what belongs to them, made into what the API shows."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.wire.network.networks import LegacyNetworkDetails, LegacyNetworkView, NetworkDetails, NetworkView
from pileus.api.wire.network.routers import RouterView
from pileus.api.wire.network.subnets import LegacySubnetView, SubnetView
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.routers import Router
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import addresses, router_interfaces, subnets


async def show_networks(tx: Tx, ctx: RequestContext, found: Sequence[Network]) -> list[NetworkView]:
    """Show networks with the ids of their subnets, under their older names too if the server is set so."""
    view = LegacyNetworkView if ctx.app.legacy_fields else NetworkView
    ids, region = [network.id for network in found], ctx.region().display_name
    its, ranges = await tags.of_each(tx, ids), await subnets.of_each(tx, ids)
    return [view.of(network, ranges[network.id], its[network.id], region) for network in found]


async def show_network(tx: Tx, ctx: RequestContext, network: Network) -> NetworkView:
    """Show one of them."""
    (view,) = await show_networks(tx, ctx, [network])
    return view


async def show_details(tx: Tx, ctx: RequestContext, found: Sequence[Network]) -> list[NetworkDetails]:
    """Show networks with their whole subnets."""
    view = LegacyNetworkDetails if ctx.app.legacy_fields else NetworkDetails
    ids, region = [network.id for network in found], ctx.region().display_name
    its, ranges = await tags.of_each(tx, ids), await subnets.of_each(tx, ids)
    used = await addresses.in_use_each(tx, [subnet.id for network_id in ids for subnet in ranges[network_id]])
    shown = {
        network_id: await show_subnets(tx, ctx, [(subnet, used.get(subnet.id, 0)) for subnet in ranges[network_id]])
        for network_id in ids
    }
    return [view.of(network, shown[network.id], its[network.id], region) for network in found]


async def show_subnets(tx: Tx, ctx: RequestContext, found: Sequence[subnets.Counted]) -> list[SubnetView]:
    """Show subnets with how many of their addresses are left."""
    view = LegacySubnetView if ctx.app.legacy_fields else SubnetView
    its, region = await tags.of_each(tx, [subnet.id for subnet, _ in found]), ctx.region().display_name
    return [
        view.of(subnet, its[subnet.id], region, ctx.place.project_id, max(0, subnet.total - used))
        for subnet, used in found
    ]


async def show_subnet(tx: Tx, ctx: RequestContext, subnet: Subnet) -> SubnetView:
    """Show one of them."""
    used = await addresses.in_use_each(tx, [subnet.id])
    (view,) = await show_subnets(tx, ctx, [(subnet, used.get(subnet.id, 0))])
    return view


async def show_routers(tx: Tx, ctx: RequestContext, found: Sequence[Router]) -> list[RouterView]:
    """Show routers with what they join."""
    legs, region = await router_interfaces.of_each(tx, [router.id for router in found]), ctx.region().display_name
    return [RouterView.of(router, legs[router.id], region) for router in found]


async def show_router(tx: Tx, ctx: RequestContext, router: Router) -> RouterView:
    """Show one of them."""
    (view,) = await show_routers(tx, ctx, [router])
    return view
