"""remove_from_server_group: let an instance be a member no longer; it stays where it stands.

Arguments: `instance_id`, `servergroup_id`.
"""

from msgspec.structs import replace

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import held
from pileus.tasks.operation import Created, Operation, Step, Work


async def _leave(work: Work) -> None:
    async def write(tx: Tx) -> None:
        instance = await held(tx, work)
        await instances.save(tx, instance, replace(instance, placement_group_id=None))

    await work.record(write)


async def _done(tx: Tx, work: Work) -> Created | None:
    instance = await held(tx, work)
    await instances.save(tx, instance, instance.released())
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance = await held(tx, work)
    member = replace(instance.released(), placement_group_id=work.task.args["servergroup_id"])
    await instances.save(tx, instance, member)


REMOVE_FROM_PLACEMENT_GROUP = Operation("remove_from_server_group", (Step("leave", _leave),), _done, _failed)
