"""remove_from_server_group: let an instance be a member no longer; it stays where it stands.

Arguments: `instance_id`, `servergroup_id`.
"""

from msgspec.structs import replace

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _leave(work: TaskContext) -> None:
    async def write(tx: Tx) -> None:
        instance = await instance_of(tx, work)
        await instances.save(tx, instance, replace(instance, placement_group_id=None))

    await work.write(write)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance = await instance_of(tx, work)
    await instances.save(tx, instance, instance.unlocked())
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    member = replace(instance.unlocked(), placement_group_id=work.task.args["servergroup_id"])
    await instances.save(tx, instance, member)


REMOVE_FROM_PLACEMENT_GROUP = Operation("remove_from_server_group", (Step("leave", _leave),), _done, _failed)
