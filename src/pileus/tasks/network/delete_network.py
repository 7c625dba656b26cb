"""delete_network: take a network away with its subnets, and with the router that was made with it.

Arguments: `network_id`; `router_id`, the router that goes too, or None. A failure leaves all as it was.
"""

from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.network.routers import RouterInterface
from pileus.drivers.protocols.compute import NetworkSpec, SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets
from pileus.tasks.network.router_sync import (
    add_interfaces,
    delete_router_records,
    delete_subnet_records,
    ensure_router,
    network_driver,
    network_of,
    remove_interfaces,
    remove_router,
    router_of,
)
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _part(work: TaskContext) -> None:
    await remove_interfaces(work, await _legs(work))


async def _join(work: TaskContext) -> None:
    await add_interfaces(work, await _legs(work))


async def _legs(work: TaskContext) -> list[RouterInterface]:
    async with work.db.read() as tx:
        return await router_interfaces.in_network(tx, work.task.args["network_id"])


async def _remove_router(work: TaskContext) -> None:
    if work.task.args["router_id"]:
        await remove_router(work)


async def _make_router(work: TaskContext) -> None:
    if work.task.args["router_id"]:
        await ensure_router(work)


async def _remove(work: TaskContext) -> None:
    await network_driver(work).ensure_no_network(work.task.args["network_id"])


async def _make(work: TaskContext) -> None:
    async with work.db.read() as tx:
        network = await network_of(tx, work)
        ranges = await subnets.of_network(tx, network.id)
    await network_driver(work).ensure_network(NetworkSpec.of(network))
    for subnet in ranges:
        await network_driver(work).ensure_subnet(SubnetSpec.of(subnet))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    network_id, router_id = work.task.args["network_id"], work.task.args["router_id"]
    if await networks.has_ports(tx, network_id):
        raise Conflict(f"Network {network_id} has ports again")
    if router_id:
        await delete_router_records(tx, router_id)
    for subnet in await subnets.of_network(tx, network_id):
        await delete_subnet_records(tx, subnet)
    await routers.forget_network(tx, network_id)
    await tags.remove(tx, network_id)
    await networks.remove(tx, network_id)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    network = await network_of(tx, work)
    await networks.save(tx, network, replace(network, task_id=None))
    for subnet in await subnets.of_network(tx, network.id):
        await subnets.save(tx, subnet, replace(subnet, task_id=None))
    if work.task.args["router_id"]:
        router = await router_of(tx, work)
        await routers.save(tx, router, replace(router, task_id=None))


STEPS = (
    Step("part it from routers", _part, undo=_join),
    Step("remove the router", _remove_router, undo=_make_router),
    Step("remove the network", _remove, undo=_make),
)
DELETE_NETWORK = Operation("delete_network", STEPS, _done, _failed)
