"""Build the views of reserved fixed IPs and of the devices of virtual IPs."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.routes.network.network_views import show_network, show_networks, show_subnets
from pileus.api.wire.network.reserved_fixed_ips import DeviceView, ReservedFixedIPView
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import addresses, reserved_fixed_ips, subnets


async def show_reserved_fixed_ips(
    tx: Tx, ctx: RequestContext, records: Sequence[ReservedFixedIP]
) -> list[ReservedFixedIPView]:
    """Return the views of reserved fixed IPs with their networks."""
    networks = {reserved.network.id: reserved.network for reserved in records}
    views = {view.id: view for view in await show_networks(tx, ctx, list(networks.values()))}
    region = ctx.require_region().display_name
    return [ReservedFixedIPView.of(reserved, views[reserved.network.id], region) for reserved in records]


async def current_reserved_fixed_ip(ctx: RequestContext, port_id: str) -> ReservedFixedIPView:
    """Read a reserved fixed IP. Raises NotFound."""
    async with ctx.db.read() as tx:
        reserved = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        (view,) = await show_reserved_fixed_ips(tx, ctx, [reserved])
    return view


async def show_devices(tx: Tx, ctx: RequestContext, vip: ReservedFixedIP, ports: Sequence[Port]) -> list[DeviceView]:
    """Return the views of ports in a virtual IP's network with their instances."""
    network = await show_network(tx, ctx, vip.network)
    used = await addresses.count_in_use_by_subnet_of_network(tx, vip.network.id)
    counted = [(subnet, used.get(subnet.id, 0)) for subnet in await subnets.list_by_network(tx, vip.network.id)]
    subnet_views = {view.id: view for view in await show_subnets(tx, ctx, counted)}
    port_ids = [port.id for port in ports]
    instances_by_port = await instances.find_by_port_ids(tx, port_ids)
    ips_by_port = await reserved_fixed_ips.list_addresses_by_port(tx, port_ids)
    return [
        DeviceView.of(port, instances_by_port[port.id], network, ips_by_port[port.id], subnet_views)
        for port in ports
        if port.id in instances_by_port
    ]
