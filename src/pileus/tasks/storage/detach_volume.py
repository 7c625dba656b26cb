"""detach_volume: take a volume off an instance; a failure leaves it where it hung.

Arguments: `volume_id`, `instance_id`.
"""

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import disk_of, unlock_volume, volume_driver, volume_of


async def _detach(work: TaskContext) -> None:
    await volume_driver(work).ensure_detached(work.task.args["instance_id"], work.task.args["volume_id"])


async def _attach(work: TaskContext) -> None:
    await volume_driver(work).ensure_attached(work.task.args["instance_id"], await disk_of(work))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await attachments.remove(tx, work.task.args["volume_id"])
    await _failed(tx, work)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    await instances.save(tx, instance, instance.unlocked())
    await unlock_volume(tx, work, await volume_of(tx, work))


DETACH_VOLUME = Operation("detach_volume", (Step("detach", _detach, undo=_attach),), _done, _failed)
