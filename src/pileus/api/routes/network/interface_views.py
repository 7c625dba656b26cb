"""Build the views of interfaces."""

from pileus.api.context import RequestContext
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.network.interfaces import InterfaceView
from pileus.api.wire.network.networks import NetworkWithSubnetsView
from pileus.api.wire.network.subnets import SubnetView
from pileus.domain.errors import not_found
from pileus.domain.network.ports import Port
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, networks, ports, subnets


async def build_interface_view(tx: Tx, ctx: RequestContext, port: Port) -> InterfaceView:
    """Return the view of a port with its network, the network's subnets and the port's floating IPs."""
    region = ctx.require_region().display_name
    floating_ip_views = [
        FloatingIPView.of(floating_ip, (await tags.list_by_resource(tx, floating_ip.id)).values(), region)
        for floating_ip in await floating_ips.list_by_port(tx, port.id)
    ]
    network = await _show_network(tx, ctx, port.network_id, region)
    return InterfaceView.of(port, await ports.list_addresses(tx, port.id), network, floating_ip_views)


async def read_interface_view(ctx: RequestContext, port_id: str) -> InterfaceView:
    """Read an interface. Raises NotFound."""
    async with ctx.db.read() as tx:
        return await build_interface_view(tx, ctx, await ports.get(tx, ctx.place, port_id))


async def _show_network(tx: Tx, ctx: RequestContext, network_id: str, region: str) -> NetworkWithSubnetsView:
    network = await networks.find(tx, network_id)
    if network is None:
        raise not_found("Network", network_id)
    used = await addresses.count_in_use_by_subnet_of_network(tx, network_id)
    subnet_views = [
        SubnetView.of(
            subnet,
            (await tags.list_by_resource(tx, subnet.id)).values(),
            region,
            ctx.place.project_id,
            subnet.available_address_count(used.get(subnet.id, 0)),
        )
        for subnet in await subnets.list_by_network(tx, network_id)
    ]
    return NetworkWithSubnetsView.of(
        network, subnet_views, (await tags.list_by_resource(tx, network_id)).values(), region
    )
