"""Routes that preview the prices of floating IPs and reserved fixed IPs."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.prices import ItemPrice
from pileus.api.wire.network.floating_ips import PriceFloatingIPs
from pileus.api.wire.network.reserved_fixed_ip_requests import CreateReservedFixedIP, ReserveExternal
from pileus.domain.account import prices
from pileus.domain.account.prices import Price
from pileus.store.account import projects

PLACE = "{project_id:int}/{region_id:int}"


@post(f"/cloud/v1/pricing/{PLACE}/floating_ips", opt=READ, status_code=200, tags=["Floating IPs"])
async def preview_floating_ip_price(ctx: Ctx, data: JSONBody[PriceFloatingIPs]) -> ItemPrice:
    """Preview the price of floating IPs without creating them."""
    return await _show_price(ctx, prices.floating_ip_price(ctx.catalogue) * data.count)


@post(f"/cloud/v1/pricing/{PLACE}/reserved_fixed_ips", opt=READ, status_code=200, tags=["Reserved IPs"])
async def preview_reserved_fixed_ip_price(ctx: Ctx, data: JSONBody[CreateReservedFixedIP]) -> ItemPrice:
    """Preview the price of a reserved fixed IP without creating it. Private addresses are free of charge."""
    external = isinstance(data, ReserveExternal)
    return await _show_price(ctx, prices.external_ip_price(ctx.catalogue) if external else Price())


async def _show_price(ctx: RequestContext, price: Price) -> ItemPrice:
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return ItemPrice.of(price, ctx.catalogue)


ROUTES = [preview_floating_ip_price, preview_reserved_fixed_ip_price]
