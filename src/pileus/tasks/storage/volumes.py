"""Create, delete, attach, detach, extend, retype and revert volumes.

While a volume is extended, its record has the new size already. A failed creation leaves nothing behind. A deletion
cannot be undone: after a failure the volume and its remaining snapshots are in `error_deleting`, and can be deleted
again. A failure of any other operation restores the volume.
"""

from msgspec.structs import replace

from pileus.domain.storage.task_types import (
    ATTACH_VOLUME,
    CREATE_VOLUME,
    DELETE_VOLUME,
    DETACH_VOLUME,
    EXTEND_VOLUME,
    RETYPE_VOLUME,
    REVERT_VOLUME,
    AttachOrDetachVolumeArgs,
    CreateVolumeArgs,
    ExtendVolumeArgs,
    RetypeVolumeArgs,
    RevertVolumeArgs,
    VolumeTaskArgs,
)
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.storage import DiskSpec
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots, volumes
from pileus.tasks.capabilities import (
    require_snapshot_support,
    require_volume_resize_support,
    require_volume_retype_support,
    require_volume_support,
)
from pileus.tasks.compute.machines import disk_spec, unlock_instance
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext
from pileus.tasks.storage.snapshots import delete_volume_snapshots, save_snapshots_as_error_deleting


async def unlock_volume(tx: Tx, volume_id: str, now: int, **changes: object) -> None:
    """Save a volume as unlocked, with `changes`; in use if it is attached, else available. Raises NotFound."""
    volume = await volumes.require(tx, volume_id)
    is_attached = await attachments.find_by_volume(tx, volume_id) is not None
    status = VolumeStatus.IN_USE if is_attached else VolumeStatus.AVAILABLE
    await volumes.save(tx, volume, replace(volume.unlocked_with_status(status, now), **changes))


async def _load_disk(ctx: TaskContext[VolumeTaskArgs]) -> DiskSpec:
    async with ctx.db.read() as tx:
        volume = await volumes.require(tx, ctx.args.volume_id)
        return disk_spec(volume, await attachments.find_by_volume(tx, volume.id))


async def _unlock(tx: Tx, ctx: TaskContext[VolumeTaskArgs]) -> None:
    await unlock_volume(tx, ctx.args.volume_id, ctx.now())


async def _create_volume(ctx: TaskContext[CreateVolumeArgs]) -> None:
    await require_volume_support(ctx.driver).ensure_volume(replace(await _load_disk(ctx), is_new=True))


async def _destroy_volume(ctx: TaskContext[VolumeTaskArgs]) -> None:
    await require_volume_support(ctx.driver).ensure_no_volume(ctx.args.volume_id)


async def _attach_created(ctx: TaskContext[CreateVolumeArgs]) -> None:
    if ctx.args.instance_id:
        await require_volume_support(ctx.driver).ensure_volume_attachment(ctx.args.instance_id, await _load_disk(ctx))


async def _detach_created(ctx: TaskContext[CreateVolumeArgs]) -> None:
    if ctx.args.instance_id:
        await require_volume_support(ctx.driver).ensure_no_volume_attachment(ctx.args.instance_id, ctx.args.volume_id)


async def _save_created(tx: Tx, ctx: TaskContext[CreateVolumeArgs]) -> CreatedResources:
    await attachments.set_attached_at(tx, ctx.args.volume_id, ctx.now())
    await _unlock(tx, ctx)
    if ctx.args.instance_id:
        await unlock_instance(tx, ctx.args.instance_id)
    return created_resources_by_kind(volumes=[ctx.args.volume_id])


async def _remove_created(tx: Tx, ctx: TaskContext[CreateVolumeArgs]) -> None:
    await attachments.remove(tx, ctx.args.volume_id)
    await tags.remove(tx, ctx.args.volume_id)
    await volumes.remove(tx, ctx.args.volume_id)
    if ctx.args.instance_id:
        await unlock_instance(tx, ctx.args.instance_id)


async def _delete_snapshots(ctx: TaskContext[VolumeTaskArgs]) -> None:
    await delete_volume_snapshots(ctx, ctx.args.volume_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[VolumeTaskArgs]) -> None:
    await metering.save_usage_until_now(tx, [await volumes.require(tx, ctx.args.volume_id)], ctx.now())
    await tags.remove(tx, ctx.args.volume_id)
    await volumes.remove(tx, ctx.args.volume_id)


async def _save_error_deleting(tx: Tx, ctx: TaskContext[VolumeTaskArgs]) -> None:
    volume = await volumes.require(tx, ctx.args.volume_id)
    await volumes.save(tx, volume, volume.unlocked_with_status(VolumeStatus.ERROR_DELETING, ctx.now()))
    await save_snapshots_as_error_deleting(tx, ctx, volume.id)


async def _attach_volume(ctx: TaskContext[AttachOrDetachVolumeArgs]) -> None:
    await require_volume_support(ctx.driver).ensure_volume_attachment(ctx.args.instance_id, await _load_disk(ctx))


async def _detach_volume(ctx: TaskContext[AttachOrDetachVolumeArgs]) -> None:
    await require_volume_support(ctx.driver).ensure_no_volume_attachment(ctx.args.instance_id, ctx.args.volume_id)


async def _save_attached(tx: Tx, ctx: TaskContext[AttachOrDetachVolumeArgs]) -> None:
    await attachments.set_attached_at(tx, ctx.args.volume_id, ctx.now())
    await _unlock_both(tx, ctx)


async def _remove_attachment(tx: Tx, ctx: TaskContext[AttachOrDetachVolumeArgs]) -> None:
    await attachments.remove(tx, ctx.args.volume_id)
    await _unlock_both(tx, ctx)


async def _unlock_both(tx: Tx, ctx: TaskContext[AttachOrDetachVolumeArgs]) -> None:
    await unlock_instance(tx, ctx.args.instance_id)
    await _unlock(tx, ctx)


async def _extend_volume(ctx: TaskContext[ExtendVolumeArgs]) -> None:
    disk = await _load_disk(ctx)
    await require_volume_resize_support(ctx.driver).ensure_volume_size(disk.id, disk.size)


async def _restore_size(ctx: TaskContext[ExtendVolumeArgs]) -> None:
    await require_volume_resize_support(ctx.driver).ensure_volume_size(ctx.args.volume_id, ctx.args.size)


async def _save_previous_size(tx: Tx, ctx: TaskContext[ExtendVolumeArgs]) -> None:
    await unlock_volume(tx, ctx.args.volume_id, ctx.now(), size=ctx.args.size)


async def _retype_volume(ctx: TaskContext[RetypeVolumeArgs]) -> None:
    await require_volume_retype_support(ctx.driver).ensure_volume_type(ctx.args.volume_id, ctx.args.volume_type)


async def _restore_type(ctx: TaskContext[RetypeVolumeArgs]) -> None:
    await require_volume_retype_support(ctx.driver).ensure_volume_type(ctx.args.volume_id, ctx.args.before)


async def _save_type(tx: Tx, ctx: TaskContext[RetypeVolumeArgs]) -> None:
    await unlock_volume(tx, ctx.args.volume_id, ctx.now(), type_name=ctx.args.volume_type)


async def _revert_volume(ctx: TaskContext[RevertVolumeArgs]) -> None:
    await require_snapshot_support(ctx.driver).ensure_reverted_volume(
        ctx.args.volume_id, ctx.args.snapshot_id, ctx.task.id
    )


async def _unlock_with_snapshot(tx: Tx, ctx: TaskContext[RevertVolumeArgs]) -> None:
    snapshot = await snapshots.require(tx, ctx.args.snapshot_id)
    await snapshots.save(tx, snapshot, snapshot.unlocked_with_status(SnapshotStatus.AVAILABLE, ctx.now()))
    await _unlock(tx, ctx)


OPERATIONS = (
    Operation(
        CREATE_VOLUME,
        steps=(
            Step("create the volume", _create_volume, undo=_destroy_volume),
            Step("attach the volume", _attach_created, undo=_detach_created),
        ),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        DELETE_VOLUME,
        steps=(Step("delete snapshots", _delete_snapshots), Step("delete the volume", _destroy_volume)),
        done=_remove_deleted,
        failed=_save_error_deleting,
    ),
    Operation(
        ATTACH_VOLUME,
        steps=(Step("attach", _attach_volume, undo=_detach_volume),),
        done=_save_attached,
        failed=_remove_attachment,
    ),
    Operation(
        DETACH_VOLUME,
        steps=(Step("detach", _detach_volume, undo=_attach_volume),),
        done=_remove_attachment,
        failed=_unlock_both,
    ),
    Operation(
        EXTEND_VOLUME,
        steps=(Step("extend", _extend_volume, undo=_restore_size),),
        done=_unlock,
        failed=_save_previous_size,
    ),
    Operation(
        RETYPE_VOLUME,
        steps=(Step("retype", _retype_volume, undo=_restore_type),),
        done=_save_type,
        failed=_unlock,
    ),
    Operation(
        REVERT_VOLUME,
        steps=(Step("revert", _revert_volume),),
        done=_unlock_with_snapshot,
        failed=_unlock_with_snapshot,
    ),
)
