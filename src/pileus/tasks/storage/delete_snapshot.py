"""delete_snapshot: destroy a snapshot; one that cannot be destroyed shows `error_deleting`, and can be deleted again.

Arguments: `snapshot_id`.
"""

from pileus.domain.storage.volumes import SnapshotStatus
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import snapshots
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import snapshot_driver, snapshot_of


async def _destroy(work: TaskContext) -> None:
    await snapshot_driver(work).ensure_no_snapshot(work.task.args["snapshot_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await metering.close_usage(tx, [await snapshot_of(tx, work)], work.now())
    await tags.remove(tx, work.task.args["snapshot_id"])
    await snapshots.remove(tx, work.task.args["snapshot_id"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    snapshot = await snapshot_of(tx, work)
    await snapshots.save(tx, snapshot, snapshot.with_status(SnapshotStatus.ERROR_DELETING, work.now()))


DELETE_SNAPSHOT = Operation("delete_snapshot", (Step("destroy", _destroy),), _done, _failed)
