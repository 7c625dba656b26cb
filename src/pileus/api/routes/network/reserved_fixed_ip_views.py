"""Reserved fixed IPs, and the ports that share virtual ones, made into what the API shows."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.routes.network.network_views import show_network, show_networks, show_subnets
from pileus.api.wire.network.reserved_fixed_ips import DeviceView, ReservedFixedIPView
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import addresses, reserved_fixed_ips, subnets


async def show_reserved(tx: Tx, ctx: RequestContext, found: Sequence[ReservedFixedIP]) -> list[ReservedFixedIPView]:
    """Show reserved fixed IPs with their networks."""
    around = {one.network.id: one.network for one in found}
    shown = {view.id: view for view in await show_networks(tx, ctx, list(around.values()))}
    region = ctx.region().display_name
    return [ReservedFixedIPView.of(one, shown[one.network.id], region) for one in found]


async def show_devices(tx: Tx, ctx: RequestContext, vip: ReservedFixedIP, found: Sequence[Port]) -> list[DeviceView]:
    """Show ports of a virtual IP's network with their instances."""
    network = await show_network(tx, ctx, vip.network)
    used = await addresses.in_use(tx, vip.network.id)
    ranges = [(subnet, used.get(subnet.id, 0)) for subnet in await subnets.of_network(tx, vip.network.id)]
    shown = {view.id: view for view in await show_subnets(tx, ctx, ranges)}
    ids = [port.id for port in found]
    behind, lines = await instances.of_ports(tx, ids), await reserved_fixed_ips.addresses_of_each(tx, ids)
    return [DeviceView.of(port, behind[port.id], network, lines[port.id], shown) for port in found if port.id in behind]
