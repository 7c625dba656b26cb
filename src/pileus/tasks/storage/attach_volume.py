"""attach_volume: hang a volume on an instance.

Arguments: `volume_id`, `instance_id`. The attachment is written down from the start, so that its place is taken; if
that fails it goes again.
"""

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments
from pileus.tasks.compute.machines import held
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import disk_of, keeper, settled, volume_of


async def _attach(work: Work) -> None:
    await keeper(work).ensure_attached(work.task.args["instance_id"], await disk_of(work))


async def _detach(work: Work) -> None:
    await keeper(work).ensure_detached(work.task.args["instance_id"], work.task.args["volume_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    await attachments.hangs_since(tx, work.task.args["volume_id"], work.now())
    await _let_go(tx, work)
    return None


async def _failed(tx: Tx, work: Work) -> None:
    await attachments.remove(tx, work.task.args["volume_id"])
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: Work) -> None:
    instance = await held(tx, work)
    await instances.save(tx, instance, instance.released())
    await settled(tx, work, await volume_of(tx, work))


ATTACH_VOLUME = Operation("attach_volume", (Step("attach", _attach, undo=_detach),), _done, _failed)
