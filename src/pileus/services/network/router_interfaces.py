"""Joining subnets by routers, and leading out of them: what one transaction writes before the task that does it."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.domain.errors import Conflict, invalid
from pileus.domain.network import routers as rules
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import mac_address
from pileus.domain.network.routers import Router, RouterInterface, RouterPort, RouterStatus
from pileus.domain.network.subnets import address
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, router_interfaces, routers, subnets


def new_router(ctx: RequestContext, name: str, task_id: str) -> Router:
    """A new router without anything, held by the task that makes it."""
    place, now = ctx.place, ctx.now()
    return Router(
        id=ctx.new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=name,
        status=RouterStatus.BUILD.value,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def set_external_gateway(tx: Tx, ctx: RequestContext, router: Router, network_id: str) -> RouterPort:
    """Give a router a port with an address in an external network; raises NotFound, Invalid or NoCapacity."""
    network = await networks.get(tx, ctx.place, network_id)
    if not network.external:
        raise invalid(network_id=f"Network {network_id} is not an external one")
    ranges = await subnets.of_network(tx, network_id)
    # What is translated is IPv4; only a network without it is led into by IPv6.
    family = "ipv4" if any(each.ip_version == 4 for each in ranges) else "ipv6"  # noqa: PLR2004  # the protocol's number
    (subnet,) = await subnets.choose_for_allocation(tx, network_id, family)
    port = await _port(tx, ctx, router, network_id, gateway=True)
    await addresses.allocate(tx, subnet, router_port_id=port.id)
    return port


async def add_router_interface(
    tx: Tx, ctx: RequestContext, router: Router, subnet: Subnet, ip_address: str | None = None
) -> RouterPort:
    """Give a router a port in a subnet, at its gateway's address if that is free, or at the one that is named.

    Raises Conflict or Invalid where the two do not go together, or the address cannot be given.
    """
    legs = await router_interfaces.of(tx, router.id)
    rules.check_can_join(subnet, await router_interfaces.subnets_of(tx, [leg for leg in legs if not leg.port.gateway]))
    port = await _port(tx, ctx, router, subnet.network_id, gateway=False)
    await router_interfaces.assign_address(tx, subnet, port.id, ip_address and str(address("ip_address", ip_address)))
    return port


async def check_routes_reachable(tx: Tx, router: Router, but: Sequence[str] = ()) -> None:
    """Return if a router reaches the next hops of its routes, by all its ports but some; raises Invalid."""
    legs = [leg for leg in await router_interfaces.of(tx, router.id) if leg.port.id not in but]
    own = {line.ip for leg in legs for line in leg.addresses}
    rules.check_next_hops(router.routes, await router_interfaces.subnets_of(tx, legs), own)


async def router_interface_to_detach(tx: Tx, router: Router, subnet: Subnet) -> RouterInterface:
    """The port by which a router joins a subnet, if it can leave it; raises Conflict."""
    for leg in await router_interfaces.on_subnet(tx, subnet.id):
        if leg.port.router_id == router.id and not leg.port.gateway:
            rules.check_no_route_via(router.routes, subnet)
            await check_no_floating_ip_uses(tx, router, subnet)
            return leg
    raise Conflict(f"Subnet {subnet.id} is not attached to router {router.id}")


async def check_no_floating_ip_uses(tx: Tx, router: Router, subnet: Subnet | None = None) -> None:
    """Return if no floating IP leads through a router, to one of its subnets if that is named; raises Conflict."""
    floating_ip_id = await routers.find_floating_ip_through(tx, router.id, subnet.id if subnet else None)
    if floating_ip_id is not None:
        raise Conflict(f"Router {router.id} is used by floating IP {floating_ip_id}: unassign it first")


async def _port(tx: Tx, ctx: RequestContext, router: Router, network_id: str, *, gateway: bool) -> RouterPort:
    port_id = ctx.new_id()
    return await router_interfaces.add(
        tx,
        RouterPort(
            id=port_id,
            router_id=router.id,
            network_id=network_id,
            gateway=gateway,
            mac_address=mac_address(port_id),
            created_at=ctx.now(),
        ),
    )
