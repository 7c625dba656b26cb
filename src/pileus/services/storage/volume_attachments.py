"""Attach volumes to instances and detach them."""

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.storage.attachments import plan_attachment, require_volumes_changeable
from pileus.domain.storage.task_types import ATTACH_VOLUME, DETACH_VOLUME, AttachOrDetachVolumeArgs
from pileus.domain.storage.volumes import Volume
from pileus.domain.tasks import Task
from pileus.services.tasks import start_task
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots, volumes


async def attach_volume(
    tx: Tx, ctx: Context, volume_id: str, instance_id: str, task_id: str, *, tag: str | None = None
) -> Task:
    """Lock the volume and the instance, save the attachment and start the task that attaches."""
    existing = await volumes.get(tx, ctx.place, volume_id)
    volume = await volumes.save(tx, existing, existing.attaching(task_id, ctx.now()))
    await lock_instance_and_add_attachment(tx, ctx, volume, instance_id, task_id, tag=tag)
    args = AttachOrDetachVolumeArgs(volume_id=volume_id, instance_id=instance_id)
    data = {"volume_id": volume_id, "instance_id": instance_id, "attachment_tag": tag}
    entry = AuditEntry("volume", "attach", volume_id, data, name=volume.name)
    return await start_task(tx, ctx, task_id, ATTACH_VOLUME, args, data=data, entry=entry)


async def lock_instance_and_add_attachment(
    tx: Tx, ctx: Context, volume: Volume, instance_id: str, task_id: str, *, tag: str | None = None
) -> None:
    """Lock the instance and save the volume's attachment to it. Raises NotFound, Conflict or Invalid."""
    instance = await instances.get(tx, ctx.place, instance_id)
    flavor = ctx.catalogue.flavor(instance.flavor_id)
    attachment = plan_attachment(
        volume,
        instance,
        await attachments.list_by_instance(tx, instance_id),
        is_shared_vm=flavor is not None and flavor.is_shared_vm,
        tag=tag,
        new_id=ctx.new_id(),
        now=ctx.now(),
    )
    await instances.save(tx, instance, instance.locked(task_id))
    await attachments.add(tx, attachment)


async def detach_volume(tx: Tx, ctx: Context, volume_id: str, instance_id: str, task_id: str) -> Task:
    """Lock the volume and the instance and start the task that detaches."""
    volume = await volumes.get(tx, ctx.place, volume_id)
    instance = await instances.get(tx, ctx.place, instance_id)
    attachment = await attachments.find_by_volume(tx, volume_id)
    await volumes.save(tx, volume, volume.detaching(attachment, instance_id, task_id, ctx.now()))
    await instances.save(tx, instance, require_volumes_changeable(instance).locked(task_id))
    args = AttachOrDetachVolumeArgs(volume_id=volume_id, instance_id=instance_id)
    data = {"volume_id": volume_id, "instance_id": instance_id}
    entry = AuditEntry("volume", "detach", volume_id, data, name=volume.name)
    return await start_task(tx, ctx, task_id, DETACH_VOLUME, args, entry=entry)


async def lock_all_snapshots_for_deletion(tx: Tx, ctx: Context, volume_id: str, task_id: str) -> None:
    """Lock all snapshots of a volume that is deleted.

    Raises Conflict if one is locked, or a volume is being created from it.
    """
    existing = await snapshots.list_by_volume(tx, volume_id)
    for snapshot in existing:
        await snapshots.save(tx, snapshot, snapshot.deleting(task_id, ctx.now()))
    if existing and (new_volume_id := await snapshots.find_new_volume_id_of_any(tx, volume_id)):
        raise Conflict(f"A snapshot of volume {volume_id} is in use: volume {new_volume_id} is being created from it")
