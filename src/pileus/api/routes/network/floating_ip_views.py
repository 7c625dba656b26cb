"""Build the views of floating IPs."""

from collections.abc import Sequence

from msgspec.structs import asdict

from pileus.api.context import RequestContext
from pileus.api.routes.compute.instance_views import instance_view
from pileus.api.wire.compute.instances import InstanceViewOptions
from pileus.api.wire.network.floating_ips import FloatingIPView, FloatingIPWithInstanceView
from pileus.domain.network.floating_ips import FloatingIP
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import floating_ips

WITHOUT_SUBNETS = InstanceViewOptions(subnets=False, ddos_profile=False)


async def build_floating_ip_views(tx: Tx, ctx: RequestContext, records: Sequence[FloatingIP]) -> list[FloatingIPView]:
    """Return the views of floating IPs."""
    tags_by_id = await tags.list_by_resources(tx, [floating_ip.id for floating_ip in records])
    region = ctx.require_region().display_name
    return await build_in_turns(
        FloatingIPView.of(floating_ip, tags_by_id[floating_ip.id], region) for floating_ip in records
    )


async def read_floating_ip_view(ctx: RequestContext, floating_ip_id: str) -> FloatingIPView:
    """Read a floating IP. Raises NotFound."""
    async with ctx.db.read() as tx:
        (view,) = await build_floating_ip_views(tx, ctx, [await floating_ips.get(tx, ctx.place, floating_ip_id)])
    return view


async def build_floating_ip_with_instance_views(
    tx: Tx, ctx: RequestContext, records: Sequence[FloatingIP]
) -> list[FloatingIPWithInstanceView]:
    """Return the views of floating IPs with the instances that they are assigned to."""
    port_ids = [floating_ip.port_id for floating_ip in records if floating_ip.port_id]
    instances_by_port = await instances.find_by_port_ids(tx, port_ids)
    ids = [instance.id for instance in instances_by_port.values()]
    details = {instance.id: details for instance, details in await instances.iterate_with_details(tx, ids)}
    instance_views = {
        port_id: instance_view(ctx.app, instance, details[instance.id], WITHOUT_SUBNETS)
        for port_id, instance in instances_by_port.items()
    }
    views = await build_floating_ip_views(tx, ctx, records)
    return [
        FloatingIPWithInstanceView(**asdict(view), instance=instance_views.get(view.port_id or ""), loadbalancer=None)
        for view in views
    ]
