"""revert_volume: give a volume what its last snapshot holds; a failure leaves it as it is.

Arguments: `volume_id`, `snapshot_id`.
"""

from pileus.domain.storage.volumes import SnapshotStatus
from pileus.store.database import Tx
from pileus.store.storage import snapshots
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import photographer, settled, snapshot_of, volume_of


async def _revert(work: Work) -> None:
    args = work.task.args
    await photographer(work).ensure_reverted(args["volume_id"], args["snapshot_id"], work.task.id)


async def _done(tx: Tx, work: Work) -> Created | None:
    await _failed(tx, work)
    return None


async def _failed(tx: Tx, work: Work) -> None:
    snapshot = await snapshot_of(tx, work)
    await snapshots.save(tx, snapshot, snapshot.standing(SnapshotStatus.AVAILABLE, work.now()))
    await settled(tx, work, await volume_of(tx, work))


REVERT_VOLUME = Operation("revert_volume", (Step("revert", _revert),), _done, _failed)
