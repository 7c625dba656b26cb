"""Create, update, extend and delete file shares.

While a file share is extended, its record has the new size already. A failed creation leaves nothing behind. A file
share that cannot be deleted ends in `error_deleting`, and can be deleted again. A failure of any other operation
restores the file share.
"""

from msgspec.structs import asdict, replace

from pileus.domain.storage.file_shares import AccessRuleState, FileShare, FileShareStatus
from pileus.domain.storage.task_types import (
    CREATE_FILE_SHARE,
    DELETE_FILE_SHARE,
    EXTEND_FILE_SHARE,
    UPDATE_FILE_SHARE,
    ExtendFileShareArgs,
    FileShareTaskArgs,
    UpdateFileShareArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import file_shares
from pileus.tasks.capabilities import require_file_share_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _load(ctx: TaskContext[FileShareTaskArgs]) -> tuple[FileShare, str | None]:
    async with ctx.db.read() as tx:
        share = await file_shares.require(tx, ctx.args.file_share_id)
        return share, await file_shares.find_address(tx, share.id)


async def _ensure(ctx: TaskContext[FileShareTaskArgs], share: FileShare, ip_address: str | None) -> str:
    spec = FileShareSpec(
        id=share.id,
        client_id=share.client_id,
        size=share.size,
        type_name=share.type_name,
        network_id=share.network_id,
        ip_address=ip_address,
        settings=asdict(share.share_settings) if share.share_settings else {},
    )
    return await require_file_share_support(ctx.driver).ensure_file_share(spec)


async def _create(ctx: TaskContext[FileShareTaskArgs]) -> None:
    connection_point = await _ensure(ctx, *await _load(ctx))

    async def save(tx: Tx) -> None:
        share = await file_shares.require(tx, ctx.args.file_share_id)
        await file_shares.save(tx, share, replace(share, connection_point=connection_point))

    await ctx.write(save)


async def _grant_access(ctx: TaskContext[FileShareTaskArgs]) -> None:
    async with ctx.db.read() as tx:
        rules = await file_shares.list_rules(tx, ctx.args.file_share_id)
    for rule in rules:
        await require_file_share_support(ctx.driver).ensure_share_access(ShareAccess.of(rule))


async def _destroy(ctx: TaskContext[FileShareTaskArgs]) -> None:
    await require_file_share_support(ctx.driver).ensure_no_file_share(ctx.args.file_share_id)


async def _save_created(tx: Tx, ctx: TaskContext[FileShareTaskArgs]) -> CreatedResources:
    await file_shares.set_states_of_rules(tx, ctx.args.file_share_id, AccessRuleState.ACTIVE)
    await _save_available(tx, ctx)
    return created_resources_by_kind(file_shares=[ctx.args.file_share_id])


async def _save_available(tx: Tx, ctx: TaskContext[FileShareTaskArgs]) -> None:
    share = await file_shares.require(tx, ctx.args.file_share_id)
    await file_shares.save(tx, share, share.available(ctx.now()))


async def _remove_created(tx: Tx, ctx: TaskContext[FileShareTaskArgs]) -> None:
    await file_shares.remove(tx, ctx.args.file_share_id)


async def _remove_deleted(tx: Tx, ctx: TaskContext[FileShareTaskArgs]) -> None:
    share = await file_shares.require(tx, ctx.args.file_share_id)
    await metering.save_usage_until_now(tx, [share], ctx.now())
    await file_shares.remove(tx, share.id)


async def _save_error_deleting(tx: Tx, ctx: TaskContext[FileShareTaskArgs]) -> None:
    share = await file_shares.require(tx, ctx.args.file_share_id)
    failed = replace(share, status=FileShareStatus.ERROR_DELETING.value, task_id=None, updated_at=ctx.now())
    await file_shares.save(tx, share, failed)


async def _extend(ctx: TaskContext[ExtendFileShareArgs]) -> None:
    await _ensure(ctx, *await _load(ctx))


async def _restore_size(ctx: TaskContext[ExtendFileShareArgs]) -> None:
    share, ip_address = await _load(ctx)
    await _ensure(ctx, replace(share, size=ctx.args.size), ip_address)


async def _save_previous_size(tx: Tx, ctx: TaskContext[ExtendFileShareArgs]) -> None:
    share = await file_shares.require(tx, ctx.args.file_share_id)
    await file_shares.save(tx, share, replace(share.available(ctx.now()), size=ctx.args.size))


async def _apply_update(ctx: TaskContext[UpdateFileShareArgs]) -> None:
    share, ip_address = await _load(ctx)
    await _ensure(ctx, share.patched_by(ctx.args.patch, ctx.now()), ip_address)


async def _apply_saved(ctx: TaskContext[UpdateFileShareArgs]) -> None:
    await _ensure(ctx, *await _load(ctx))


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateFileShareArgs]) -> None:
    share, patch = await file_shares.require(tx, ctx.args.file_share_id), ctx.args.patch
    await file_shares.save(tx, share, replace(share.patched_by(patch, ctx.now()), task_id=None))
    if "tags" in patch:
        await tags.patch(tx, file_shares.KIND, ctx.task.place, share.id, patch["tags"])


async def _unlock(tx: Tx, ctx: TaskContext[UpdateFileShareArgs]) -> None:
    share = await file_shares.require(tx, ctx.args.file_share_id)
    await file_shares.save(tx, share, replace(share, task_id=None))


OPERATIONS = (
    Operation(
        CREATE_FILE_SHARE,
        steps=(Step("create the file share", _create, undo=_destroy), Step("grant access", _grant_access)),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        UPDATE_FILE_SHARE,
        steps=(Step("update", _apply_update, undo=_apply_saved),),
        done=_save_updated,
        failed=_unlock,
    ),
    Operation(
        EXTEND_FILE_SHARE,
        steps=(Step("extend", _extend, undo=_restore_size),),
        done=_save_available,
        failed=_save_previous_size,
    ),
    Operation(
        DELETE_FILE_SHARE,
        steps=(Step("delete the file share", _destroy),),
        done=_remove_deleted,
        failed=_save_error_deleting,
    ),
)
