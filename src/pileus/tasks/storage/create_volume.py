"""create_volume: make a volume with the content it is to have, and hang it on an instance if that was asked for.

Arguments: `volume_id`; `instance_id` or None, the instance whose attachment has been written down. A failure leaves
nothing behind.
"""

from pileus.domain.tasks import created_resources
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, volumes
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import disk_of, unlock_volume, volume_driver, volume_of


async def _make(work: TaskContext) -> None:
    await volume_driver(work).ensure_volume(await disk_of(work))


async def _destroy(work: TaskContext) -> None:
    await volume_driver(work).ensure_no_volume(work.task.args["volume_id"])


async def _attach(work: TaskContext) -> None:
    if instance_id := work.task.args["instance_id"]:
        await volume_driver(work).ensure_attached(instance_id, await disk_of(work))


async def _detach(work: TaskContext) -> None:
    if instance_id := work.task.args["instance_id"]:
        await volume_driver(work).ensure_detached(instance_id, work.task.args["volume_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    volume = await volume_of(tx, work)
    await attachments.set_attached_at(tx, volume.id, work.now())
    await unlock_volume(tx, work, volume)
    await _let_go(tx, work)
    return created_resources(volumes=[volume.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    volume_id = work.task.args["volume_id"]
    await attachments.remove(tx, volume_id)
    await tags.remove(tx, volume_id)
    await volumes.remove(tx, volume_id)
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: TaskContext) -> None:
    if work.task.args["instance_id"]:
        instance = await instance_of(tx, work)
        await instances.save(tx, instance, instance.unlocked())


STEPS = (Step("make the volume", _make, undo=_destroy), Step("attach it", _attach, undo=_detach))
CREATE_VOLUME = Operation("create_volume", STEPS, _done, _failed)
