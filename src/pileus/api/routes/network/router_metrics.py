"""The route of router metrics."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.driver_errors import translate_driver_errors
from pileus.api.routes.network.routers import ONE
from pileus.api.wire.compute.metric_requests import MetricsRequest
from pileus.api.wire.compute.metrics import InterfaceTrafficSample, RouterInterfaceMetricsView
from pileus.api.wire.paging import Page
from pileus.api.wire.times import format_zulu
from pileus.domain.errors import Unavailable
from pileus.domain.network.routers import RouterInterface
from pileus.drivers.protocols.metrics import SupportsRouterMetrics, TrafficSample
from pileus.store.network import router_interfaces, routers


@post(f"{ONE}/metrics", opt=READ, status_code=200, tags=["Routers"])
async def list_router_metrics(
    ctx: Ctx, router_id: FromPath[str], data: JSONBody[MetricsRequest]
) -> Page[RouterInterfaceMetricsView]:
    """List bits and packets per second of each router interface in the last hours or days, since its creation."""
    async with ctx.db.read() as tx:
        router = await routers.get(tx, ctx.place, router_id)
        interfaces = await router_interfaces.list_by_router(tx, router_id)
    if not isinstance(ctx.driver, SupportsRouterMetrics):
        raise Unavailable("The driver of this region does not measure its routers")
    period = data.period(ctx.now(), router.created_at)
    with translate_driver_errors():
        traffic = await ctx.driver.router_traffic_by_port_id(router_id, *period)
    results = [_show_metrics(interface, traffic.get(interface.port.id, [])) for interface in interfaces]
    return Page(count=len(results), results=results)


def _show_metrics(interface: RouterInterface, traffic: list[TrafficSample]) -> RouterInterfaceMetricsView:
    return RouterInterfaceMetricsView(
        port_id=interface.port.id,
        network_id=interface.port.network_id,
        interface_type="public" if interface.port.gateway else "private",
        ip_addresses=[address.ip for address in interface.addresses],
        metrics=[
            InterfaceTrafficSample(
                time=format_zulu(sample.time),
                network_bps_egress=sample.bits_out,
                network_bps_ingress=sample.bits_in,
                network_pps_egress=sample.packets_out,
                network_pps_ingress=sample.packets_in,
            )
            for sample in traffic
            if sample.time >= interface.port.created_at
        ],
    )


ROUTES = [list_router_metrics]
