"""What tasks about networks, subnets and routers work on, and the driver that makes them."""

from collections.abc import Iterable

from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.routers import Router, RouterInterface, check_no_route_via
from pileus.drivers.protocols.compute import DriverError, Networks, Nic, Routers, RouterSpec, SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


def network_driver(work: TaskContext) -> Networks:
    """The driver, if it makes networks; raises DriverError."""
    if not isinstance(work.driver, Networks):
        raise DriverError("This cloud's driver makes no networks", retryable=False)
    return work.driver


def router_driver(work: TaskContext) -> Routers:
    """The driver, if it makes routers; raises DriverError."""
    if not isinstance(work.driver, Routers):
        raise DriverError("This cloud's driver makes no routers", retryable=False)
    return work.driver


async def network_of(tx: Tx, work: TaskContext) -> Network:
    """The network that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "network_id", "Network", networks.find)


async def subnet_of(tx: Tx, work: TaskContext) -> Subnet:
    """The subnet that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "subnet_id", "Subnet", subnets.find)


async def router_of(tx: Tx, work: TaskContext) -> Router:
    """The router that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "router_id", "Router", routers.find)


def nic(leg: RouterInterface) -> Nic:
    """A router's port as drivers are told of it: it speaks as all who are behind it."""
    return Nic(
        port_id=leg.port.id,
        network_id=leg.port.network_id,
        mac_address=leg.port.mac_address,
        addresses=[line.ip for line in leg.addresses],
        secured=False,
    )


def router_spec(router: Router, legs: Iterable[RouterInterface]) -> RouterSpec:
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


def internal_interfaces(legs: Iterable[RouterInterface]) -> list[RouterInterface]:
    """The ports that join subnets."""
    return [leg for leg in legs if not leg.port.gateway]


async def make_subnet(work: TaskContext) -> None:
    """Bring the task's subnet about, alone."""
    async with work.db.read() as tx:
        subnet = await subnet_of(tx, work)
    await network_driver(work).ensure_subnet(SubnetSpec.of(subnet))


async def remove_subnet(work: TaskContext) -> None:
    """Take the task's subnet away."""
    await network_driver(work).ensure_no_subnet(work.task.args["subnet_id"])


async def join_subnet(work: TaskContext) -> None:
    """Let the routers that join the task's subnet have their ports there."""
    await add_interfaces(work, await _legs(work))


async def detach_subnet(work: TaskContext) -> None:
    """Take these ports from the routers."""
    await remove_interfaces(work, await _legs(work))


async def _legs(work: TaskContext) -> list[RouterInterface]:
    async with work.db.read() as tx:
        return await router_interfaces.on_subnet(tx, work.task.args["subnet_id"])


async def ensure_router(work: TaskContext) -> None:
    """Bring the task's router about, with all that it joins."""
    async with work.db.read() as tx:
        router = await router_of(tx, work)
        legs = await router_interfaces.of(tx, router.id)
    await router_driver(work).ensure_router(router_spec(router, legs))
    await add_interfaces(work, internal_interfaces(legs))


async def add_interfaces(work: TaskContext, legs: Iterable[RouterInterface]) -> None:
    """Let routers have these ports."""
    for leg in legs:
        await router_driver(work).ensure_router_interface(leg.port.router_id, nic(leg))


async def remove_interfaces(work: TaskContext, legs: Iterable[RouterInterface]) -> None:
    """Take these ports from their routers."""
    for leg in legs:
        await router_driver(work).ensure_no_router_interface(leg.port.router_id, leg.port.id)


async def remove_router(work: TaskContext) -> None:
    """Take the task's router away."""
    await router_driver(work).ensure_no_router(work.task.args["router_id"])


async def delete_router_records(tx: Tx, router_id: str) -> None:
    """Delete a router's records and free its addresses."""
    for leg in await router_interfaces.of(tx, router_id):
        await router_interfaces.remove(tx, leg.port.id)
    await routers.remove(tx, router_id)


async def delete_subnet_records(tx: Tx, subnet: Subnet) -> None:
    """Delete a subnet's records, and the ports of routers on it; raises Conflict if a route of one leads over it."""
    for router in await routers.of_subnet(tx, subnet.id):
        check_no_route_via(router.routes, subnet)
    for leg in await router_interfaces.on_subnet(tx, subnet.id):
        await router_interfaces.remove(tx, leg.port.id)
    await tags.remove(tx, subnet.id)
    await subnets.remove(tx, subnet.id)
