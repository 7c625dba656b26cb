"""update_network: give a network another name, other tags; they are as they were until the task is done.

Arguments: `network_id`; `patch`, what is to change.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.network.networks import Network, NetworkPatch
from pileus.drivers.protocols.compute import NetworkSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks
from pileus.tasks.network.router_sync import network_driver, network_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _apply(work: TaskContext) -> None:
    network = await _loaded(work)
    await network_driver(work).ensure_network(NetworkSpec.of(network.patched(_patch(work), work.now())))


async def _revert(work: TaskContext) -> None:
    await network_driver(work).ensure_network(NetworkSpec.of(await _loaded(work)))


async def _loaded(work: TaskContext) -> Network:
    async with work.db.read() as tx:
        return await network_of(tx, work)


def _patch(work: TaskContext) -> NetworkPatch:
    return convert(work.task.args["patch"], NetworkPatch)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    network, patch = await network_of(tx, work), _patch(work)
    await networks.save(tx, network, replace(network.patched(patch, work.now()), task_id=None))
    if "tags" in patch:
        await tags.patch(tx, networks.KIND, work.task.place, network.id, patch["tags"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    network = await network_of(tx, work)
    await networks.save(tx, network, replace(network, task_id=None))


UPDATE_NETWORK = Operation("update_network", (Step("apply", _apply, undo=_revert),), _done, _failed)
