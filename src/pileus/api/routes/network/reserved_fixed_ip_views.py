"""Build the views of reserved fixed IPs and of the devices of virtual IPs."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.routes.network.network_views import build_network_view, build_network_views, build_subnet_views
from pileus.api.wire.network.reserved_fixed_ips import ReservedFixedIPView, VirtualIPDeviceView
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import addresses, reserved_fixed_ips, subnets


async def build_reserved_fixed_ip_views(
    tx: Tx, ctx: RequestContext, records: Sequence[ReservedFixedIP]
) -> list[ReservedFixedIPView]:
    """Return the views of reserved fixed IPs with their networks."""
    networks = {reserved.network.id: reserved.network for reserved in records}
    views = {view.id: view for view in await build_network_views(tx, ctx, list(networks.values()))}
    region = ctx.require_region().display_name
    return await build_in_turns(
        ReservedFixedIPView.of(reserved, views[reserved.network.id], region) for reserved in records
    )


async def read_reserved_fixed_ip_view(ctx: RequestContext, port_id: str) -> ReservedFixedIPView:
    """Read a reserved fixed IP. Raises NotFound."""
    async with ctx.db.read() as tx:
        reserved = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        (view,) = await build_reserved_fixed_ip_views(tx, ctx, [reserved])
    return view


async def build_virtual_ip_device_views(
    tx: Tx, ctx: RequestContext, virtual_ip: ReservedFixedIP, ports: Sequence[Port]
) -> list[VirtualIPDeviceView]:
    """Return the views of ports in a virtual IP's network with their instances."""
    network = await build_network_view(tx, ctx, virtual_ip.network)
    used = await addresses.count_in_use_by_subnet_of_network(tx, virtual_ip.network.id)
    counted = [(subnet, used.get(subnet.id, 0)) for subnet in await subnets.list_by_network(tx, virtual_ip.network.id)]
    subnet_views = {view.id: view for view in await build_subnet_views(tx, ctx, counted)}
    port_ids = [port.id for port in ports]
    instances_by_port = await instances.find_by_port_ids(tx, port_ids)
    ips_by_port = await reserved_fixed_ips.list_addresses_by_port(tx, port_ids)
    return [
        VirtualIPDeviceView.of(port, instances_by_port[port.id], network, ips_by_port[port.id], subnet_views)
        for port in ports
        if port.id in instances_by_port
    ]
