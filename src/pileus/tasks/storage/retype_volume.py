"""retype_volume: move a volume to another kind of storage, in use or not.

Arguments: `volume_id`; `before`, the type that it had; `volume_type`, the one that it is to have.
"""

from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import retype_driver, unlock_volume, volume_of


async def _retype(work: TaskContext) -> None:
    await retype_driver(work).ensure_type(work.task.args["volume_id"], work.task.args["volume_type"])


async def _take_back(work: TaskContext) -> None:
    await retype_driver(work).ensure_type(work.task.args["volume_id"], work.task.args["before"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await unlock_volume(tx, work, await volume_of(tx, work), type_name=work.task.args["volume_type"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    await unlock_volume(tx, work, await volume_of(tx, work))


RETYPE_VOLUME = Operation("retype_volume", (Step("retype", _retype, undo=_take_back),), _done, _failed)
