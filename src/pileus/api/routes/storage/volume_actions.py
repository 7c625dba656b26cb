"""What can be done to a volume: extend it, change its type, take it back to its last snapshot."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.storage.volume_attachments import current_volume
from pileus.api.routes.storage.volume_views import show
from pileus.api.wire.storage.volume_requests import ExtendVolume, RetypeVolume
from pileus.api.wire.storage.volume_views import VolumeView
from pileus.api.wire.tasks import TaskIds
from pileus.services.account.request_quotas import check_quotas
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volume_details, volumes

ONE = "/cloud/v1/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"


@post(f"{ONE}/extend", opt=WRITE, status_code=200, tags=["Volumes"])
async def extend_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[ExtendVolume]) -> TaskIds:
    """Make a volume larger, also while an instance uses it; it never becomes smaller.

    Some types keep their size, and each has a largest one.
    """
    task_id, catalogue = ctx.new_id(), ctx.catalogue

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, ctx.place, volume_id)
        volume_type = catalogue.volume_type(before.type_name)
        after = before.extending(data.size, volume_type, task_id, ctx.now())
        more = {"volume_size": after.size - before.size}
        await check_quotas(tx, ctx, more)
        await volumes.save(tx, before, after)
        shown = {"volume_id": volume_id, "size": data.size}
        await ctx.start_task(tx, "extend_volume", task_id, {"volume_id": volume_id, "size": before.size}, data=shown)
        await ctx.audit(tx, "volume", "resize", volume_id, data=shown, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"{ONE}/retype", opt=WRITE, status_code=200, tags=["Volumes"])
async def retype_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[RetypeVolume]) -> VolumeView:
    """Turn a volume of type `standard` into `ssd_hiiops` or back, also while an instance uses it.

    It must have no snapshots. The answer comes when that is done, or with the volume as it stands after 25 seconds.
    """
    task_id, name, types = ctx.new_id(), data.volume_type, ctx.catalogue.volume_types_of(ctx.region())

    async def write(tx: Tx) -> VolumeView | None:
        before = await volumes.get(tx, ctx.place, volume_id)
        if before.require_unlocked().type_name == name:
            return show(ctx.app, before, await volume_details.of(tx, before))
        taken = await snapshots.of_volume(tx, volume_id)
        await volumes.save(tx, before, before.retyping(types.get(name), name, taken, task_id, ctx.now()))
        args = {"volume_id": volume_id, "before": before.type_name, "volume_type": name}
        shown = {"volume_id": volume_id, "volume_type": name}
        await ctx.start_task(tx, "retype_volume", task_id, args, data=shown)
        await ctx.audit(tx, "volume", "retype", volume_id, data=shown, task_id=task_id, name=before.name)
        return None

    unchanged = await ctx.db.write(write)
    if unchanged is not None:
        return unchanged
    await ctx.wait_for_task(task_id)
    return await current_volume(ctx, volume_id)


@post(f"{ONE}/revert", opt=WRITE, status_code=200, tags=["Volumes"])
async def revert_volume(ctx: Ctx, volume_id: FromPath[str]) -> TaskIds:
    """Give a volume that is available what its last snapshot holds; what was written since is lost.

    It must not have been extended since then.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, ctx.place, volume_id)
        taken = await snapshots.of_volume(tx, volume_id)
        after, last = before.reverting(taken, task_id, ctx.now())
        await volumes.save(tx, before, after)
        await snapshots.save(tx, next(each for each in taken if each.id == last.id), last)
        args = {"volume_id": volume_id, "snapshot_id": last.id}
        await ctx.start_task(tx, "revert_volume", task_id, args)
        await ctx.audit(tx, "volume", "revert", volume_id, data=args, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [extend_volume, retype_volume, revert_volume]
