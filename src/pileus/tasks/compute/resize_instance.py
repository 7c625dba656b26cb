"""resize_vm: give a machine the size of another flavor; it runs, or not, as before.

The record has the new flavor from the start. Arguments: `instance_id`; `flavor_id`, the one it had; `before`, the
status in which it stood.
"""

from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import held, machine_of
from pileus.tasks.operation import Created, Operation, Step, Work


async def _resize(work: Work) -> None:
    await work.driver.ensure_sized(await machine_of(work))


async def _resize_back(work: Work) -> None:
    await work.driver.ensure_sized(await machine_of(work, work.task.args["flavor_id"]))


async def _done(tx: Tx, work: Work) -> Created | None:
    instance = await held(tx, work)
    stood = instance.standing(Status(work.task.args["before"]), work.now())
    await instances.save(tx, instance, stood.released())
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance = await held(tx, work)
    stood = instance.standing(Status(work.task.args["before"]), work.now())
    await instances.save(tx, instance, replace(stood.released(), flavor_id=work.task.args["flavor_id"]))


RESIZE_INSTANCE = Operation("resize_vm", (Step("resize", _resize, undo=_resize_back),), _done, _failed)
