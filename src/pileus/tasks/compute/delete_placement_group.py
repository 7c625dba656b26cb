"""delete_servergroup: let a placement group's members stand by themselves. Arguments: `servergroup_id`."""

from msgspec.structs import replace

from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.store.compute import placement_groups
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, TaskContext
from pileus.tasks.records import record_of_task


async def _group(tx: Tx, work: TaskContext) -> PlacementGroup:
    return await record_of_task(tx, work, "servergroup_id", "Placement group", placement_groups.find)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await placement_groups.remove(tx, (await _group(tx, work)).id)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    group = await _group(tx, work)
    await placement_groups.save(tx, group, replace(group, task_id=None))


DELETE_PLACEMENT_GROUP = Operation("delete_servergroup", (), _done, _failed)
