"""Actions on a volume: extend it, change its type, revert it to its latest snapshot."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.storage.volume_views import read_volume_view
from pileus.api.wire.storage.volume_requests import ExtendVolume, RetypeVolume
from pileus.api.wire.storage.volumes import VolumeView
from pileus.api.wire.tasks import TaskIds
from pileus.services.storage import volumes as volume_service

ONE = "/cloud/v1/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"


@post(f"{ONE}/extend", opt=WRITE, status_code=200, tags=["Volumes"])
async def extend_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[ExtendVolume]) -> TaskIds:
    """Extend a volume, also while it is attached. A volume cannot shrink.

    Some volume types cannot be extended, and each has a maximum size.
    """
    return await ctx.submit_task(
        lambda tx, task_id: volume_service.extend_volume(tx, ctx, volume_id, data.size, task_id)
    )


@post(f"{ONE}/retype", opt=WRITE, status_code=200, tags=["Volumes"])
async def retype_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[RetypeVolume]) -> VolumeView:
    """Change the type of a volume from `standard` to `ssd_hiiops` or back, also while it is attached.

    The volume must have no snapshots. Waits up to 25 seconds for the task and returns the volume.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: volume_service.retype_volume(tx, ctx, volume_id, data.volume_type, task_id)
    )
    return await read_volume_view(ctx, volume_id)


@post(f"{ONE}/revert", opt=WRITE, status_code=200, tags=["Volumes"])
async def revert_volume(ctx: Ctx, volume_id: FromPath[str]) -> TaskIds:
    """Revert an available volume to its latest snapshot. Data written since then is lost.

    The volume must not have been extended since the snapshot was taken.
    """
    return await ctx.submit_task(lambda tx, task_id: volume_service.revert_volume(tx, ctx, volume_id, task_id))


ROUTES = [extend_volume, retype_volume, revert_volume]
