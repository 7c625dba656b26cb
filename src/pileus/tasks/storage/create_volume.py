"""create_volume: make a volume with the content it is to have, and hang it on an instance if that was asked for.

Arguments: `volume_id`; `instance_id` or None, the instance whose attachment has been written down. A failure leaves
nothing behind.
"""

from pileus.domain.tasks import created
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, volumes
from pileus.tasks.compute.machines import held
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import disk_of, keeper, settled, volume_of


async def _make(work: Work) -> None:
    await keeper(work).ensure_volume(await disk_of(work))


async def _destroy(work: Work) -> None:
    await keeper(work).ensure_no_volume(work.task.args["volume_id"])


async def _attach(work: Work) -> None:
    if instance_id := work.task.args["instance_id"]:
        await keeper(work).ensure_attached(instance_id, await disk_of(work))


async def _detach(work: Work) -> None:
    if instance_id := work.task.args["instance_id"]:
        await keeper(work).ensure_detached(instance_id, work.task.args["volume_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    volume = await volume_of(tx, work)
    await attachments.hangs_since(tx, volume.id, work.now())
    await settled(tx, work, volume)
    await _let_go(tx, work)
    return created(volumes=[volume.id])


async def _failed(tx: Tx, work: Work) -> None:
    volume_id = work.task.args["volume_id"]
    await attachments.remove(tx, volume_id)
    await tags.remove(tx, volume_id)
    await volumes.remove(tx, volume_id)
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: Work) -> None:
    if work.task.args["instance_id"]:
        instance = await held(tx, work)
        await instances.save(tx, instance, instance.released())


STEPS = (Step("make the volume", _make, undo=_destroy), Step("attach it", _attach, undo=_detach))
CREATE_VOLUME = Operation("create_volume", STEPS, _done, _failed)
