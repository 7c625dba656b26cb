"""Attach volumes to instances and detach them, and the older endpoints that wait for the task."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.storage.volume_views import read_volume_view
from pileus.api.wire.storage.volume_requests import AttachVolume, DetachVolume
from pileus.api.wire.storage.volumes import VolumeView
from pileus.api.wire.tasks import TaskIds
from pileus.services.storage import volume_attachments as attachment_service

ONE = "/cloud/v1/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"
ONE_V2 = "/cloud/v2/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"


@post(f"{ONE_V2}/attach", opt=WRITE, status_code=200, tags=["Volumes"])
async def attach_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[AttachVolume]) -> TaskIds:
    """Attach an available volume to an instance, under `attachment_tag` if that is given.

    The instance can be running or stopped. A volume of type `ultra` can be attached only to an instance with a shared
    flavor. Volumes cannot be attached to bare metal servers.
    """
    return await ctx.submit_task(
        lambda tx, task_id: attachment_service.attach_volume(
            tx, ctx, volume_id, data.instance_id, task_id, tag=data.attachment_tag
        )
    )


@post(f"{ONE_V2}/detach", opt=WRITE, status_code=200, tags=["Volumes"])
async def detach_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[DetachVolume]) -> TaskIds:
    """Detach a volume from an instance. The boot volume cannot be detached."""
    return await ctx.submit_task(
        lambda tx, task_id: attachment_service.detach_volume(tx, ctx, volume_id, data.instance_id, task_id)
    )


@post(f"{ONE}/attach", opt=WRITE, status_code=200, deprecated=True, tags=["Volumes"])
async def attach_volume_and_wait(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[AttachVolume]) -> VolumeView:
    """Attach a volume to an instance. Waits up to 25 seconds for the task and returns the volume.

    Deprecated: use version 2.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: attachment_service.attach_volume(
            tx, ctx, volume_id, data.instance_id, task_id, tag=data.attachment_tag
        )
    )
    return await read_volume_view(ctx, volume_id)


@post(f"{ONE}/detach", opt=WRITE, status_code=200, deprecated=True, tags=["Volumes"])
async def detach_volume_and_wait(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[DetachVolume]) -> VolumeView:
    """Detach a volume from an instance. Waits up to 25 seconds for the task and returns the volume.

    Deprecated: use version 2.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: attachment_service.detach_volume(tx, ctx, volume_id, data.instance_id, task_id)
    )
    return await read_volume_view(ctx, volume_id)


ROUTES = [attach_volume, detach_volume, attach_volume_and_wait, detach_volume_and_wait]
