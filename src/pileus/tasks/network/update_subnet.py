"""update_subnet: let machines on a subnet be told something else; it is as it was until the task is done.

Arguments: `subnet_id`; `patch`, what is to change.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Subnet
from pileus.domain.network.subnets import SubnetPatch, patched
from pileus.drivers.protocols.compute import SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import addresses, subnets
from pileus.tasks.network.router_sync import network_driver, subnet_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _apply(work: TaskContext) -> None:
    subnet = await _loaded(work)
    await network_driver(work).ensure_subnet(SubnetSpec.of(patched(subnet, _patch(work), work.now())))


async def _revert(work: TaskContext) -> None:
    await network_driver(work).ensure_subnet(SubnetSpec.of(await _loaded(work)))


async def _loaded(work: TaskContext) -> Subnet:
    async with work.db.read() as tx:
        return await subnet_of(tx, work)


def _patch(work: TaskContext) -> SubnetPatch:
    return convert(work.task.args["patch"], SubnetPatch)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    subnet, patch = await subnet_of(tx, work), _patch(work)
    after = patched(subnet, patch, work.now())
    if after.gateway_ip not in (None, subnet.gateway_ip) and await addresses.is_taken(tx, subnet, after.gateway_ip):
        raise Conflict(f"Address {after.gateway_ip} of subnet {subnet.id} is in use again")
    await subnets.save(tx, subnet, replace(after, task_id=None))
    if "tags" in patch:
        await tags.patch(tx, subnets.KIND, work.task.place, subnet.id, patch["tags"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))


UPDATE_SUBNET = Operation("update_subnet", (Step("apply", _apply, undo=_revert),), _done, _failed)
