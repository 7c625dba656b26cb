"""What passes through routers."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx
from pileus.api.routes.network.routers import ONE
from pileus.api.wire.compute.metric_requests import MetricsRequest
from pileus.api.wire.compute.metrics import RouterMetricsView, TrafficView
from pileus.api.wire.paging import Page
from pileus.api.wire.times import format_zulu
from pileus.domain.errors import Conflict, Unavailable
from pileus.domain.network.routers import RouterInterface
from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.protocols.metrics import RouterMetrics, Traffic
from pileus.store.network import router_interfaces, routers


@post(f"{ONE}/metrics", opt=READ, status_code=200, tags=["Routers"])
async def list_router_metrics(
    ctx: Ctx, router_id: FromPath[str], data: JSONBody[MetricsRequest]
) -> Page[RouterMetricsView]:
    """Tell what passed through each interface of a router in the last hours or days: bits and packets a second."""
    async with ctx.db.read() as tx:
        await routers.get(tx, ctx.place, router_id)
        legs = await router_interfaces.of(tx, router_id)
    if not isinstance(ctx.app.driver, RouterMetrics):
        raise Unavailable("This cloud does not measure its routers")
    now = ctx.now()
    try:
        passed = await ctx.app.driver.traffic(router_id, data.since(now), now, data.sample_count)
    except DriverError as error:
        raise Conflict(str(error)) from error
    return Page(count=len(legs), results=[_measured(leg, passed.get(leg.port.id, [])) for leg in legs])


def _measured(leg: RouterInterface, passed: list[Traffic]) -> RouterMetricsView:
    return RouterMetricsView(
        port_id=leg.port.id,
        network_id=leg.port.network_id,
        interface_type="public" if leg.port.gateway else "private",
        ip_addresses=[line.ip for line in leg.addresses],
        metrics=[
            TrafficView(
                time=format_zulu(each.time),
                network_bps_egress=each.bits_out,
                network_bps_ingress=each.bits_in,
                network_pps_egress=each.packets_out,
                network_pps_ingress=each.packets_in,
            )
            for each in passed
        ],
    )


ROUTES = [list_router_metrics]
