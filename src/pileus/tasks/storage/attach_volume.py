"""attach_volume: hang a volume on an instance.

Arguments: `volume_id`, `instance_id`. The attachment is written down from the start, so that its place is taken; if
that fails it goes again.
"""

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import disk_of, unlock_volume, volume_driver, volume_of


async def _attach(work: TaskContext) -> None:
    await volume_driver(work).ensure_attached(work.task.args["instance_id"], await disk_of(work))


async def _detach(work: TaskContext) -> None:
    await volume_driver(work).ensure_detached(work.task.args["instance_id"], work.task.args["volume_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await attachments.set_attached_at(tx, work.task.args["volume_id"], work.now())
    await _let_go(tx, work)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    await attachments.remove(tx, work.task.args["volume_id"])
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    await instances.save(tx, instance, instance.unlocked())
    await unlock_volume(tx, work, await volume_of(tx, work))


ATTACH_VOLUME = Operation("attach_volume", (Step("attach", _attach, undo=_detach),), _done, _failed)
