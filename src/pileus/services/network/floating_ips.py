"""Floating IPs: what one transaction writes when one is made, or aimed at a port."""

from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.network.floating_ips import FloatingIP, Target, choose_fixed_address
from pileus.domain.network.ports import Port
from pileus.domain.places import Place
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import addresses, floating_ips, networks, ports, routers, subnets


async def allocate_floating_ip(tx: Tx, ctx: Context, task_id: str, target: Target) -> FloatingIP:
    """Write a new floating IP with an address of the region's external network; raises NoCapacity.

    It leads to its target from the start, but is DOWN until its task has told the driver.
    """
    (subnet,) = await subnets.choose_for_allocation(tx, ctx.catalogue.external_network_id(ctx.place.region_id), "ipv4")
    place, now = ctx.place, ctx.now()
    floating_ip = FloatingIP(
        id=ctx.new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        floating_ip_address="",
        port_id=target.port_id,
        fixed_ip_address=target.fixed_ip_address,
        router_id=target.router_id,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )
    await floating_ips.add(tx, floating_ip)
    ip = await addresses.allocate(tx, subnet, floating_ip_id=floating_ip.id)
    return await floating_ips.save(tx, floating_ip, floating_ip.with_address(ip))


async def resolve_target(tx: Tx, place: Place, port_id: str | None, fixed_ip_address: str | None) -> Target:
    """Where a floating IP is to lead: to a private address of a port that nothing holds and none leads to yet.

    Raises NotFound, Invalid or Conflict.
    """
    if port_id is None:
        return Target()
    port = (await ports.get(tx, place, port_id)).require_unlocked()
    if port.instance_id is not None:
        (await instances.get(tx, place, port.instance_id)).require_unlocked()
    network = await networks.find(tx, port.network_id)
    if network is None or network.external:
        raise Conflict(f"Port {port.id} is in a public network: it needs no floating IP")
    return await target_on_port(tx, port, fixed_ip_address)


async def target_on_port(tx: Tx, port: Port, fixed_ip_address: str | None) -> Target:
    """Aim at an address of a port, the first IPv4 one unless it is named; raises Invalid or Conflict."""
    line = choose_fixed_address(port, await ports.addresses_of(tx, port.id), fixed_ip_address)
    if other := await floating_ips.find_by_fixed_address(tx, port.id, line.ip):
        raise Conflict(f"Floating IP {other.id} leads to address {line.ip} of port {port.id} already")
    router = await routers.gateway_router_of(tx, line.subnet_id)
    return Target(port.id, line.ip, router.id if router else None)
