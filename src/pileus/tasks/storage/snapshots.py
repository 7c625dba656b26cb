"""Create and delete snapshots.

A failed creation leaves nothing behind. A snapshot that cannot be deleted ends in `error_deleting`, and can be deleted
again.
"""

from functools import partial

from pileus.domain.storage.task_types import (
    CREATE_SNAPSHOT,
    DELETE_SNAPSHOT,
    CreateSnapshotArgs,
    DeleteSnapshotArgs,
    SnapshotTaskArgs,
)
from pileus.domain.storage.volumes import Snapshot, SnapshotStatus
from pileus.domain.tasks import created_resources_by_kind
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import schedules, snapshots
from pileus.tasks.capabilities import require_snapshot_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _create_snapshot(ctx: TaskContext[CreateSnapshotArgs]) -> None:
    await require_snapshot_support(ctx.driver).ensure_snapshot(ctx.args.snapshot_id, ctx.args.volume_id)


async def _destroy_snapshot(ctx: TaskContext[SnapshotTaskArgs]) -> None:
    await require_snapshot_support(ctx.driver).ensure_no_snapshot(ctx.args.snapshot_id)


async def _save_available(tx: Tx, ctx: TaskContext[CreateSnapshotArgs]) -> CreatedResources:
    """Also expire the oldest snapshots of the schedule that has more than it keeps."""
    snapshot = await snapshots.require(tx, ctx.args.snapshot_id)
    # Before the snapshot, like those who change the schedule and its snapshots.
    schedule = await schedules.lock_for_use(tx, snapshot.schedule_id) if snapshot.schedule_id else None
    await snapshots.save(tx, snapshot, snapshot.unlocked_with_status(SnapshotStatus.AVAILABLE, ctx.now()))
    if schedule is not None:
        await schedules.expire_surplus_snapshots(tx, schedule, snapshot.volume_id, ctx.now())
    return created_resources_by_kind(snapshots=[snapshot.id])


async def _remove_created(tx: Tx, ctx: TaskContext[CreateSnapshotArgs]) -> None:
    await tags.remove(tx, ctx.args.snapshot_id)
    await snapshots.remove(tx, ctx.args.snapshot_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteSnapshotArgs]) -> None:
    await _remove_records(ctx, await snapshots.require(tx, ctx.args.snapshot_id), tx)


async def _remove_records(ctx: TaskContext[object], snapshot: Snapshot, tx: Tx) -> None:
    await metering.save_usage_until_now(tx, [snapshot], ctx.now())
    await tags.remove(tx, snapshot.id)
    await snapshots.remove(tx, snapshot.id)


async def _save_error_deleting(tx: Tx, ctx: TaskContext[DeleteSnapshotArgs]) -> None:
    snapshot = await snapshots.require(tx, ctx.args.snapshot_id)
    await snapshots.save(tx, snapshot, snapshot.unlocked_with_status(SnapshotStatus.ERROR_DELETING, ctx.now()))


async def delete_volume_snapshots(ctx: TaskContext[object], volume_id: str) -> None:
    """Destroy a volume's snapshots, and remove each one's records as soon as it is gone."""
    async with ctx.db.read() as tx:
        existing = await snapshots.list_by_volume(tx, volume_id)
    for snapshot in existing:
        await require_snapshot_support(ctx.driver).ensure_no_snapshot(snapshot.id)
        await ctx.write(partial(_remove_records, ctx, snapshot))


async def save_snapshots_as_error_deleting(tx: Tx, ctx: TaskContext[object], volume_id: str) -> None:
    """Unlock a volume's remaining snapshots as `error_deleting`."""
    for snapshot in await snapshots.list_by_volume(tx, volume_id):
        await snapshots.save(tx, snapshot, snapshot.unlocked_with_status(SnapshotStatus.ERROR_DELETING, ctx.now()))


OPERATIONS = (
    Operation(
        CREATE_SNAPSHOT,
        steps=(Step("create the snapshot", _create_snapshot, undo=_destroy_snapshot),),
        done=_save_available,
        failed=_remove_created,
    ),
    Operation(
        DELETE_SNAPSHOT,
        steps=(Step("delete the snapshot", _destroy_snapshot),),
        done=_remove_deleted,
        failed=_save_error_deleting,
    ),
)
