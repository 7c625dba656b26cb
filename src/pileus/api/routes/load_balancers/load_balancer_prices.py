"""Routes of the flavors, prices and quotas of load balancers."""

from litestar import get, post
from litestar.params import FromQuery, JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.load_balancers import ALL, TAGS
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.load_balancers.load_balancers import LoadBalancerFlavorView
from pileus.api.wire.load_balancers.prices import (
    LoadBalancerLimitsRequest,
    LoadBalancerPrice,
    LoadBalancerPriceRequest,
    LoadBalancerPriceV2Request,
    PricedLoadBalancerFlavor,
)
from pileus.api.wire.paging import Page
from pileus.domain.account import prices
from pileus.domain.account.quota_checks import report_exceeded_quotas
from pileus.domain.load_balancers.load_balancer_orders import choose_flavor, plan_vip
from pileus.services.load_balancers.load_balancers import count_demand
from pileus.store.account import projects, quota_usage, quotas

PLACE = "{project_id:int}/{region_id:int}"


@get(f"/cloud/v1/lbflavors/{PLACE}", opt=READ, tags=TAGS)
async def list_load_balancer_flavors(
    ctx: Ctx,
    include_prices: FromQuery[bool] = False,  # a query parameter
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[LoadBalancerFlavorView | PricedLoadBalancerFlavor]:
    """List the flavors of load balancers, the smallest first, with their prices if `include_prices` is true."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    flavors = ctx.catalogue.sorted_load_balancer_flavors
    views: list[LoadBalancerFlavorView | PricedLoadBalancerFlavor] = [
        PricedLoadBalancerFlavor.with_price(flavor, ctx.catalogue.currency)
        if include_prices
        else LoadBalancerFlavorView.of(flavor)
        for flavor in flavors[offset : offset + limit]
    ]
    return Page(count=len(flavors), results=views)


@post(f"/cloud/v1/pricing/{PLACE}/loadbalancers", opt=READ, status_code=200, deprecated=True, tags=TAGS)
async def preview_load_balancer_flavor_price(ctx: Ctx, data: JSONBody[LoadBalancerPriceRequest]) -> ResourcePrice:
    """Preview the price of a load balancer without its addresses. Deprecated: use version 2."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return ResourcePrice.of(prices.load_balancer_price(choose_flavor(ctx.catalogue, data.flavor)), ctx.catalogue)


@post(f"/cloud/v2/pricing/{PLACE}/loadbalancers", opt=READ, status_code=200, tags=TAGS)
async def preview_load_balancer_price(ctx: Ctx, data: JSONBody[LoadBalancerPriceV2Request]) -> LoadBalancerPrice:
    """Preview the price of a load balancer with its public address and its new floating IP, without creating it."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    order = data.to_new_load_balancer()
    plan_vip(order)
    demand = count_demand(order)
    return LoadBalancerPrice.of(
        prices.load_balancer_price(choose_flavor(ctx.catalogue, data.flavor)),
        prices.floating_ip_price(ctx.catalogue) * demand["floating_count"],
        prices.external_ip_price(ctx.catalogue) * demand["external_ip_count"],
        ctx.catalogue,
    )


@post(f"{ALL}/check_limits", opt=READ, status_code=200, tags=TAGS)
async def check_load_balancer_limits(ctx: Ctx, data: JSONBody[LoadBalancerLimitsRequest]) -> dict[str, int]:
    """Check which quotas a new load balancer would exceed.

    The response holds the requested amount, the limit and the usage of each exceeded quota; it is `{}` if there is
    none.
    """
    ctx.require_region()
    demand = {name: number for name, number in count_demand(data.to_new_load_balancer()).items() if number}
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
        limits = await quotas.get_limits(tx, ctx.place, ctx.catalogue)
        usage = await quota_usage.count_by_quota(tx, ctx.place, ctx.catalogue)
    return report_exceeded_quotas(limits, usage, demand)


ROUTES = [
    list_load_balancer_flavors, preview_load_balancer_flavor_price, preview_load_balancer_price,
    check_load_balancer_limits,
]  # fmt: skip
