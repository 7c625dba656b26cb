"""extend_volume: make a volume larger, in use or not.

The record has the new size from the start. Arguments: `volume_id`; `size`, the one it had.
"""

from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import disk_of, extender, settled, volume_of


async def _extend(work: Work) -> None:
    disk = await disk_of(work)
    await extender(work).ensure_size(disk.id, disk.size)


async def _take_back(work: Work) -> None:
    await extender(work).ensure_size(work.task.args["volume_id"], work.task.args["size"])


async def _done(tx: Tx, work: Work) -> Created | None:
    await settled(tx, work, await volume_of(tx, work))
    return None


async def _failed(tx: Tx, work: Work) -> None:
    await settled(tx, work, await volume_of(tx, work), size=work.task.args["size"])


EXTEND_VOLUME = Operation("extend_volume", (Step("extend", _extend, undo=_take_back),), _done, _failed)
