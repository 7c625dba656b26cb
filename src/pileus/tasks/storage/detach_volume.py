"""detach_volume: take a volume off an instance; a failure leaves it where it hung.

Arguments: `volume_id`, `instance_id`.
"""

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments
from pileus.tasks.compute.machines import held
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import disk_of, keeper, settled, volume_of


async def _detach(work: Work) -> None:
    await keeper(work).ensure_detached(work.task.args["instance_id"], work.task.args["volume_id"])


async def _attach(work: Work) -> None:
    await keeper(work).ensure_attached(work.task.args["instance_id"], await disk_of(work))


async def _done(tx: Tx, work: Work) -> Created | None:
    await attachments.remove(tx, work.task.args["volume_id"])
    await _failed(tx, work)
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance = await held(tx, work)
    await instances.save(tx, instance, instance.released())
    await settled(tx, work, await volume_of(tx, work))


DETACH_VOLUME = Operation("detach_volume", (Step("detach", _detach, undo=_attach),), _done, _failed)
