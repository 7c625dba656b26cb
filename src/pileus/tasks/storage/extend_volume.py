"""extend_volume: make a volume larger, in use or not.

The record has the new size from the start. Arguments: `volume_id`; `size`, the one it had.
"""

from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import disk_of, resize_driver, unlock_volume, volume_of


async def _extend(work: TaskContext) -> None:
    disk = await disk_of(work)
    await resize_driver(work).ensure_size(disk.id, disk.size)


async def _take_back(work: TaskContext) -> None:
    await resize_driver(work).ensure_size(work.task.args["volume_id"], work.task.args["size"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await unlock_volume(tx, work, await volume_of(tx, work))
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    await unlock_volume(tx, work, await volume_of(tx, work), size=work.task.args["size"])


EXTEND_VOLUME = Operation("extend_volume", (Step("extend", _extend, undo=_take_back),), _done, _failed)
