"""revert_volume: give a volume what its last snapshot holds; a failure leaves it as it is.

Arguments: `volume_id`, `snapshot_id`.
"""

from pileus.domain.storage.volumes import SnapshotStatus
from pileus.store.database import Tx
from pileus.store.storage import snapshots
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import snapshot_driver, snapshot_of, unlock_volume, volume_of


async def _revert(work: TaskContext) -> None:
    args = work.task.args
    await snapshot_driver(work).ensure_reverted(args["volume_id"], args["snapshot_id"], work.task.id)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await _failed(tx, work)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    snapshot = await snapshot_of(tx, work)
    await snapshots.save(tx, snapshot, snapshot.with_status(SnapshotStatus.AVAILABLE, work.now()))
    await unlock_volume(tx, work, await volume_of(tx, work))


REVERT_VOLUME = Operation("revert_volume", (Step("revert", _revert),), _done, _failed)
