"""What tasks about networks, subnets and routers work on, and the driver that makes them."""

from collections.abc import Iterable

from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.routers import Leg, Router, unused
from pileus.drivers.driver import DriverError, Networks, Nic, Routers, RouterSpec, SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks, router_ports, routers, subnets
from pileus.tasks.operation import Work
from pileus.tasks.subjects import subject


def network_driver(work: Work) -> Networks:
    """The driver, if it makes networks; raises DriverError."""
    if not isinstance(work.driver, Networks):
        raise DriverError("This cloud's driver makes no networks", retryable=False)
    return work.driver


def router_driver(work: Work) -> Routers:
    """The driver, if it makes routers; raises DriverError."""
    if not isinstance(work.driver, Routers):
        raise DriverError("This cloud's driver makes no routers", retryable=False)
    return work.driver


async def network_of(tx: Tx, work: Work) -> Network:
    """The network that the task is about; raises NotFound."""
    return await subject(tx, work, "network_id", "Network", networks.find)


async def subnet_of(tx: Tx, work: Work) -> Subnet:
    """The subnet that the task is about; raises NotFound."""
    return await subject(tx, work, "subnet_id", "Subnet", subnets.find)


async def router_of(tx: Tx, work: Work) -> Router:
    """The router that the task is about; raises NotFound."""
    return await subject(tx, work, "router_id", "Router", routers.find)


def nic(leg: Leg) -> Nic:
    """A router's port as drivers are told of it: it speaks as all who are behind it."""
    return Nic(
        port_id=leg.port.id,
        network_id=leg.port.network_id,
        mac_address=leg.port.mac_address,
        addresses=[line.ip for line in leg.addresses],
        secured=False,
    )


def router_spec(router: Router, legs: Iterable[Leg]) -> RouterSpec:
    """A router as drivers are told of it; what it joins is told one by one."""
    outside = (leg for leg in legs if leg.port.gateway and leg.port.network_id == router.external_network_id)
    leg = next(outside, None)
    return RouterSpec(
        id=router.id,
        name=router.name,
        routes=router.routes,
        outside=nic(leg) if leg else None,
        translates=router.enable_snat,
    )


def inside(legs: Iterable[Leg]) -> list[Leg]:
    """The ports that join subnets."""
    return [leg for leg in legs if not leg.port.gateway]


async def make_subnet(work: Work) -> None:
    """Bring the task's subnet about, alone."""
    async with work.db.read() as tx:
        subnet = await subnet_of(tx, work)
    await network_driver(work).ensure_subnet(SubnetSpec.of(subnet))


async def remove_subnet(work: Work) -> None:
    """Take the task's subnet away."""
    await network_driver(work).ensure_no_subnet(work.task.args["subnet_id"])


async def join_subnet(work: Work) -> None:
    """Let the routers that join the task's subnet have their ports there."""
    await join(work, await _legs(work))


async def part_subnet(work: Work) -> None:
    """Take these ports from the routers."""
    await part(work, await _legs(work))


async def _legs(work: Work) -> list[Leg]:
    async with work.db.read() as tx:
        return await router_ports.on_subnet(tx, work.task.args["subnet_id"])


async def make_router(work: Work) -> None:
    """Bring the task's router about, with all that it joins."""
    async with work.db.read() as tx:
        router = await router_of(tx, work)
        legs = await router_ports.of(tx, router.id)
    await router_driver(work).ensure_router(router_spec(router, legs))
    await join(work, inside(legs))


async def join(work: Work, legs: Iterable[Leg]) -> None:
    """Let routers have these ports."""
    for leg in legs:
        await router_driver(work).ensure_router_interface(leg.port.router_id, nic(leg))


async def part(work: Work, legs: Iterable[Leg]) -> None:
    """Take these ports from their routers."""
    for leg in legs:
        await router_driver(work).ensure_no_router_interface(leg.port.router_id, leg.port.id)


async def remove_router(work: Work) -> None:
    """Take the task's router away."""
    await router_driver(work).ensure_no_router(work.task.args["router_id"])


async def forget_router(tx: Tx, router_id: str) -> None:
    """Delete a router's records and free its addresses."""
    for leg in await router_ports.of(tx, router_id):
        await router_ports.remove(tx, leg.port.id)
    await routers.remove(tx, router_id)


async def forget_subnet(tx: Tx, subnet: Subnet) -> None:
    """Delete a subnet's records, and the ports of routers on it; raises Conflict if a route of one leads over it."""
    for router in await routers.joining(tx, subnet.id):
        unused(router.routes, subnet)
    for leg in await router_ports.on_subnet(tx, subnet.id):
        await router_ports.remove(tx, leg.port.id)
    await tags.remove(tx, subnet.id)
    await subnets.remove(tx, subnet.id)
