"""Hanging volumes on instances and taking them off: as tasks, and as the older verbs that wait for their end."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api import hanging as attachment_service
from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.storage.volume_views import show
from pileus.api.wire.storage.volume_requests import AttachVolume, DetachVolume
from pileus.api.wire.storage.volume_views import VolumeView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.storage.attachments import require_attachable
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, volume_details, volumes

ONE = "/cloud/v1/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"
ONE_V2 = "/cloud/v2/volumes/{project_id:int}/{region_id:int}/{volume_id:str}"


@post(f"{ONE_V2}/attach", opt=WRITE, status_code=200, tags=["Volumes"])
async def attach_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[AttachVolume]) -> TaskIds:
    """Attach a volume that is available to an instance, under `attachment_tag` if that is given.

    The instance may run or not. A volume of type `ultra` hangs on instances of shared flavors only; bare metal servers
    take no volumes.
    """
    return TaskIds(tasks=[await _attached(ctx, volume_id, data)])


@post(f"{ONE_V2}/detach", opt=WRITE, status_code=200, tags=["Volumes"])
async def detach_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[DetachVolume]) -> TaskIds:
    """Take a volume off an instance; the one that it boots from stays."""
    return TaskIds(tasks=[await _detached(ctx, volume_id, data.instance_id)])


@post(f"{ONE}/attach", opt=WRITE, status_code=200, deprecated=True, tags=["Volumes"])
async def attach_volume_and_wait(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[AttachVolume]) -> VolumeView:
    """Attach a volume, and answer with it when it hangs, or as it stands after 25 seconds. Use version 2 instead."""
    return await after(ctx, volume_id, await _attached(ctx, volume_id, data))


@post(f"{ONE}/detach", opt=WRITE, status_code=200, deprecated=True, tags=["Volumes"])
async def detach_volume_and_wait(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[DetachVolume]) -> VolumeView:
    """Take a volume off; answer with it when it is free, or as it stands after 25 seconds. Use version 2 instead."""
    return await after(ctx, volume_id, await _detached(ctx, volume_id, data.instance_id))


async def after(ctx: RequestContext, volume_id: str, task_id: str) -> VolumeView:
    """The volume when the task has ended, or as it stands when that takes too long."""
    await ctx.wait_for_task(task_id)
    async with ctx.db.read() as tx:
        volume = await volumes.get(tx, ctx.place, volume_id)
        return show(ctx.app, volume, await volume_details.of(tx, volume))


async def _attached(ctx: RequestContext, volume_id: str, data: AttachVolume) -> str:
    """Lock both and write down the task that attaches; its id."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, ctx.place, volume_id)
        held = await volumes.save(tx, before, before.attaching(task_id, ctx.now()))
        await attachment_service.attach_volume(tx, ctx, held, data.instance_id, data.attachment_tag, task_id)
        args = {"volume_id": volume_id, "instance_id": data.instance_id}
        shown = {**args, "attachment_tag": data.attachment_tag}
        await ctx.start_task(tx, "attach_volume", task_id, args, data=shown)
        await ctx.audit(tx, "volume", "attach", volume_id, data=shown, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return task_id


async def _detached(ctx: RequestContext, volume_id: str, instance_id: str) -> str:
    """Lock both and write down the task that detaches; its id."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, ctx.place, volume_id)
        instance = await instances.get(tx, ctx.place, instance_id)
        hangs = await attachments.of_volume(tx, volume_id)
        await volumes.save(tx, before, before.detaching(hangs, instance_id, task_id, ctx.now()))
        await instances.save(tx, instance, require_attachable(instance).locked(task_id))
        args = {"volume_id": volume_id, "instance_id": instance_id}
        await ctx.start_task(tx, "detach_volume", task_id, args)
        await ctx.audit(tx, "volume", "detach", volume_id, data=args, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return task_id


ROUTES = [attach_volume, detach_volume, attach_volume_and_wait, detach_volume_and_wait]
