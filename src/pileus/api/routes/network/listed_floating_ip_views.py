"""Build the views of floating IPs in lists."""

from collections.abc import Sequence

from msgspec.structs import asdict

from pileus.api.context import RequestContext
from pileus.api.routes.compute.instance_views import instance_view
from pileus.api.routes.load_balancers.load_balancer_views import build_load_balancer_views
from pileus.api.routes.load_balancers.observations import Observations
from pileus.api.routes.network.floating_ip_views import build_floating_ip_views
from pileus.api.wire.compute.instances import InstanceView, InstanceViewOptions
from pileus.api.wire.load_balancers.load_balancers import LoadBalancerView
from pileus.api.wire.network.listed_floating_ips import ListedFloatingIPView
from pileus.domain.network.floating_ips import FloatingIP
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers

WITHOUT_SUBNETS = InstanceViewOptions(subnets=False, ddos_profile=False)


async def build_listed_floating_ip_views(
    tx: Tx, ctx: RequestContext, observations: Observations, records: Sequence[FloatingIP]
) -> list[ListedFloatingIPView]:
    """Return the views of floating IPs with the instances and load balancers that they are assigned to."""
    port_ids = [floating_ip.port_id for floating_ip in records if floating_ip.port_id]
    instance_views = await _build_instance_views(tx, ctx, port_ids)
    balancer_views = await _build_balancer_views(tx, ctx, observations, port_ids)
    return [
        ListedFloatingIPView(
            **asdict(view),
            instance=instance_views.get(view.port_id or ""),
            loadbalancer=balancer_views.get(view.port_id or ""),
        )
        for view in await build_floating_ip_views(tx, ctx, records)
    ]


async def _build_instance_views(tx: Tx, ctx: RequestContext, port_ids: Sequence[str]) -> dict[str, InstanceView]:
    """Return the views of the instances of ports, by port."""
    instances_by_port = await instances.find_by_port_ids(tx, port_ids)
    ids = [instance.id for instance in instances_by_port.values()]
    details = {instance.id: details for instance, details in await instances.iterate_with_details(tx, ids)}
    return {
        port_id: instance_view(ctx.app, instance, details[instance.id], WITHOUT_SUBNETS)
        for port_id, instance in instances_by_port.items()
    }


async def _build_balancer_views(
    tx: Tx, ctx: RequestContext, observations: Observations, port_ids: Sequence[str]
) -> dict[str, LoadBalancerView]:
    """Return the views of the load balancers whose addresses are those of ports, by port."""
    records = await load_balancers.list_by_vip_ports(tx, port_ids)
    views = await build_load_balancer_views(tx, ctx, observations, records) if records else []
    return {view.vip_port_id: view for view in views}
