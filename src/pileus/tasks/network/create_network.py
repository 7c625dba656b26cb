"""create_network: make a network, and a router that leads out of it if that was asked for.

Arguments: `network_id`; `router_id` or None. A failure leaves nothing behind.
"""

from msgspec.structs import replace

from pileus.domain.tasks import created_resources
from pileus.drivers.protocols.compute import NetworkSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks, routers
from pileus.tasks.network.router_sync import (
    delete_router_records,
    ensure_router,
    network_driver,
    network_of,
    remove_router,
    router_of,
)
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _make(work: TaskContext) -> None:
    async with work.db.read() as tx:
        network = await network_of(tx, work)
    await network_driver(work).ensure_network(NetworkSpec.of(network))


async def _remove(work: TaskContext) -> None:
    await network_driver(work).ensure_no_network(work.task.args["network_id"])


async def _make_router(work: TaskContext) -> None:
    if work.task.args["router_id"]:
        await ensure_router(work)


async def _remove_router(work: TaskContext) -> None:
    if work.task.args["router_id"]:
        await remove_router(work)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    network, router_id = await network_of(tx, work), work.task.args["router_id"]
    await networks.save(tx, network, replace(network, task_id=None))
    if router_id is None:
        return created_resources(networks=[network.id])
    router = await router_of(tx, work)
    await routers.save(tx, router, router.activated(work.now()))
    return created_resources(networks=[network.id], routers=[router_id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    if work.task.args["router_id"]:
        await delete_router_records(tx, work.task.args["router_id"])
    await tags.remove(tx, work.task.args["network_id"])
    await networks.remove(tx, work.task.args["network_id"])


STEPS = (Step("make the network", _make, undo=_remove), Step("make the router", _make_router, undo=_remove_router))
CREATE_NETWORK = Operation("create_network", STEPS, _done, _failed)
