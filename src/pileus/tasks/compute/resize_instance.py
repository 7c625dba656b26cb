"""resize_vm: give a machine the size of another flavor; it runs, or not, as before.

The record has the new flavor from the start. Arguments: `instance_id`; `flavor_id`, the one it had; `before`, the
status in which it stood.
"""

from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import instance_of, machine_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _resize(work: TaskContext) -> None:
    await work.driver.ensure_sized(await machine_of(work))


async def _resize_back(work: TaskContext) -> None:
    await work.driver.ensure_sized(await machine_of(work, work.task.args["flavor_id"]))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance = await instance_of(tx, work)
    stood = instance.with_status(Status(work.task.args["before"]), work.now())
    await instances.save(tx, instance, stood.unlocked())
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    stood = instance.with_status(Status(work.task.args["before"]), work.now())
    await instances.save(tx, instance, replace(stood.unlocked(), flavor_id=work.task.args["flavor_id"]))


RESIZE_INSTANCE = Operation("resize_vm", (Step("resize", _resize, undo=_resize_back),), _done, _failed)
