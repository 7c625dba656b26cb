"""create_snapshot: keep what a volume holds now, in use or not; a failure leaves nothing behind.

Arguments: `snapshot_id`, `volume_id`; `schedule_id` and `lifecycle_policy_id` where a schedule has started it. Where
that has more snapshots of the volume than it keeps, the oldest end.
"""

from pileus.domain.storage.volumes import SnapshotStatus
from pileus.domain.tasks import created_resources
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.storage import schedules, snapshots
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import snapshot_driver, snapshot_of


async def _take(work: TaskContext) -> None:
    await snapshot_driver(work).ensure_snapshot(work.task.args["snapshot_id"], work.task.args["volume_id"])


async def _destroy(work: TaskContext) -> None:
    await snapshot_driver(work).ensure_no_snapshot(work.task.args["snapshot_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    snapshot = await snapshot_of(tx, work)
    await snapshots.save(tx, snapshot, snapshot.with_status(SnapshotStatus.AVAILABLE, work.now()))
    schedule = await schedules.find(tx, snapshot.schedule_id) if snapshot.schedule_id else None
    if schedule is not None:
        await schedules.expire_surplus(tx, schedule, snapshot.volume_id, work.now())
    return created_resources(snapshots=[snapshot.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    await tags.remove(tx, work.task.args["snapshot_id"])
    await snapshots.remove(tx, work.task.args["snapshot_id"])


CREATE_SNAPSHOT = Operation("create_snapshot", (Step("take", _take, undo=_destroy),), _done, _failed)
