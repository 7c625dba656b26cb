"""Routes that preview the prices of floating IPs and reserved fixed IPs."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.network.floating_ips import FloatingIPPriceRequest
from pileus.api.wire.network.reserved_fixed_ip_requests import CreateReservedFixedIP, ReserveExternalFixedIP
from pileus.domain.account import prices
from pileus.domain.account.prices import Price
from pileus.store.account import projects

PLACE = "{project_id:int}/{region_id:int}"


@post(f"/cloud/v1/pricing/{PLACE}/floating_ips", opt=READ, status_code=200, tags=["Floating IPs"])
async def preview_floating_ip_price(ctx: Ctx, data: JSONBody[FloatingIPPriceRequest]) -> ResourcePrice:
    """Preview the price of floating IPs without creating them."""
    return await _show_price(ctx, prices.floating_ip_price(ctx.catalogue) * data.count)


@post(f"/cloud/v1/pricing/{PLACE}/reserved_fixed_ips", opt=READ, status_code=200, tags=["Reserved IPs"])
async def preview_reserved_fixed_ip_price(ctx: Ctx, data: JSONBody[CreateReservedFixedIP]) -> ResourcePrice:
    """Preview the price of a reserved fixed IP without creating it. Private addresses are free of charge."""
    external = isinstance(data, ReserveExternalFixedIP)
    return await _show_price(ctx, prices.external_ip_price(ctx.catalogue) if external else Price())


async def _show_price(ctx: RequestContext, price: Price) -> ResourcePrice:
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return ResourcePrice.of(price, ctx.catalogue)


ROUTES = [preview_floating_ip_price, preview_reserved_fixed_ip_price]
