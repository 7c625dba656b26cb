"""A port and what is around it, made into the interface that the API shows."""

from pileus.api.context import RequestContext
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.network.networks import NetworkDetails
from pileus.api.wire.network.ports import InterfaceView
from pileus.api.wire.network.subnets import SubnetView
from pileus.domain.errors import not_found
from pileus.domain.network.ports import Port
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, networks, ports, subnets


async def interface(tx: Tx, ctx: RequestContext, port: Port) -> InterfaceView:
    """Show one port with its network, the network's subnets and the floating IPs that lead to it."""
    region = ctx.region().display_name
    floating = [
        FloatingIPView.of(each, (await tags.of(tx, each.id)).values(), region)
        for each in await floating_ips.of_port(tx, port.id)
    ]
    return InterfaceView.of(
        port, await ports.addresses_of(tx, port.id), await _network(tx, ctx, port.network_id, region), floating
    )


async def _network(tx: Tx, ctx: RequestContext, network_id: str, region: str) -> NetworkDetails:
    network = await networks.find(tx, network_id)
    if network is None:
        raise not_found("Network", network_id)
    used = await addresses.in_use(tx, network_id)
    ranges = [
        SubnetView.of(
            subnet,
            (await tags.of(tx, subnet.id)).values(),
            region,
            ctx.place.project_id,
            max(0, subnet.total - used.get(subnet.id, 0)),
        )
        for subnet in await subnets.of_network(tx, network_id)
    ]
    return NetworkDetails.of(network, ranges, (await tags.of(tx, network_id)).values(), region)
