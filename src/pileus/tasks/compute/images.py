"""Create images from volumes, download them, and delete them.

While an image is downloaded, the task's data hold the progress in bytes (`downloaded`, `total`), and at the end its
`checksum`. A failed creation leaves nothing behind. An image that cannot be deleted is in error, and can be deleted
again.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.account import quota_checks
from pileus.domain.compute.images import ImageStatus, bytes_to_gib
from pileus.domain.compute.task_types import (
    CREATE_IMAGE,
    DELETE_IMAGE,
    DOWNLOAD_IMAGE,
    CreateImageArgs,
    DeleteImageArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.store import tags, tasks
from pileus.store.account import metering, quota_usage, quotas
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.tasks.capabilities import require_image_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext
from pileus.tasks.storage.volumes import unlock_volume

PROGRESS_INTERVAL = 1_000_000
"""Microseconds between two updates of the progress in the task's data."""


async def _create_image(ctx: TaskContext[CreateImageArgs]) -> None:
    args = ctx.args
    await ctx.write(partial(_save_saving, ctx))
    source = ImageSource(client_id=ctx.task.client_id, url=args.url, volume_id=args.volume_id)
    stored = await require_image_support(ctx.driver).ensure_image(args.image_id, source, await _progress_callback(ctx))
    await ctx.write(partial(_save_stored, ctx, stored))


async def _undo_creation(ctx: TaskContext[CreateImageArgs]) -> None:
    await require_image_support(ctx.driver).ensure_no_image(ctx.args.image_id)


async def _progress_callback(ctx: TaskContext[CreateImageArgs]) -> OnProgress:
    """Return a callback that saves the progress, and raises QuotaExceeded if the image is too large."""
    async with ctx.db.read() as tx:
        used = await quota_usage.count_by_quota(tx, ctx.task.place, ctx.catalogue)
        limits = await quotas.get_limits(tx, ctx.task.place, ctx.catalogue)
    saved_at = 0

    async def save_progress(size: int, total: int | None) -> None:
        nonlocal saved_at
        quota_checks.check_no_quota_exceeded(limits, used, {"image_size": max(size, total or 0)})
        if ctx.clock.system_now() - saved_at >= PROGRESS_INTERVAL:
            saved_at = ctx.clock.system_now()
            await ctx.write(partial(_update_task_data, ctx, downloaded=size, total=total))

    return save_progress


async def _save_saving(ctx: TaskContext[CreateImageArgs], tx: Tx) -> None:
    image = await images.require(tx, ctx.args.image_id)
    await images.save(tx, image, replace(image, status=ImageStatus.SAVING.value, updated_at=ctx.now()))


async def _update_task_data(ctx: TaskContext[CreateImageArgs], tx: Tx, **changes: int | str | None) -> None:
    data = ctx.task.data | changes
    await tasks.save_progress(tx, ctx.task, ctx.now(), data=data)
    ctx.task = replace(ctx.task, data=data)


async def _save_stored(ctx: TaskContext[CreateImageArgs], stored: StoredImage, tx: Tx) -> None:
    """Save all but the size, which counts only when the task ends, after another check of the quota."""
    image = await images.require(tx, ctx.args.image_id)
    after = replace(
        image,
        checksum=stored.checksum,
        disk_format=stored.disk_format,
        min_disk=bytes_to_gib(stored.virtual_size),
        updated_at=ctx.now(),
    )
    await images.save(tx, image, after)
    await _update_task_data(ctx, tx, size=stored.size)
    if stored.checksum:
        checksum = f"sha256:{stored.checksum}"
        await _update_task_data(ctx, tx, downloaded=stored.size, total=stored.size, checksum=checksum)


async def _save_active(tx: Tx, ctx: TaskContext[CreateImageArgs]) -> CreatedResources:
    image, size = await images.require(tx, ctx.args.image_id), ctx.task.data["size"]
    used = await quota_usage.lock_tenant_and_count_by_quota(tx, ctx.task.place, ctx.catalogue)
    limits = await quotas.get_limits(tx, ctx.task.place, ctx.catalogue)
    quota_checks.check_no_quota_exceeded(limits, used, {"image_size": size - (image.size or 0)})
    await images.save(tx, image, replace(image.unlocked_with_status(ImageStatus.ACTIVE, ctx.now()), size=size))
    await _unlock_source(tx, ctx)
    return created_resources_by_kind(images=[image.id])


async def _remove_created(tx: Tx, ctx: TaskContext[CreateImageArgs]) -> None:
    await tags.remove(tx, ctx.args.image_id)
    await images.remove(tx, ctx.args.image_id)
    await _unlock_source(tx, ctx)


async def _unlock_source(tx: Tx, ctx: TaskContext[CreateImageArgs]) -> None:
    if ctx.args.volume_id:
        await unlock_volume(tx, ctx.args.volume_id, ctx.now())


async def _destroy_image(ctx: TaskContext[DeleteImageArgs]) -> None:
    await require_image_support(ctx.driver).ensure_no_image(ctx.args.image_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteImageArgs]) -> None:
    await metering.save_usage_until_now(tx, [await images.require(tx, ctx.args.image_id)], ctx.now())
    await tags.remove(tx, ctx.args.image_id)
    await images.remove(tx, ctx.args.image_id)


async def _save_error(tx: Tx, ctx: TaskContext[DeleteImageArgs]) -> None:
    image = await images.require(tx, ctx.args.image_id)
    await images.save(tx, image, image.unlocked_with_status(ImageStatus.ERROR, ctx.now()))


OPERATIONS = (
    Operation(
        CREATE_IMAGE,
        steps=(Step("copy the volume", _create_image, undo=_undo_creation),),
        done=_save_active,
        failed=_remove_created,
    ),
    Operation(
        DOWNLOAD_IMAGE,
        steps=(Step("download", _create_image, undo=_undo_creation),),
        done=_save_active,
        failed=_remove_created,
    ),
    Operation(
        DELETE_IMAGE, steps=(Step("delete the image", _destroy_image),), done=_remove_deleted, failed=_save_error
    ),
)
