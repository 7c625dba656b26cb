"""Create, update, extend, retype, revert and delete volumes."""

from collections.abc import Iterable

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_orders import NewVolume
from pileus.domain.context import Context
from pileus.domain.patches import ResourcePatch
from pileus.domain.storage.new_volumes import plan_volume
from pileus.domain.storage.task_types import (
    CREATE_VOLUME,
    DELETE_VOLUME,
    EXTEND_VOLUME,
    RETYPE_VOLUME,
    REVERT_VOLUME,
    CreateVolumeArgs,
    ExtendVolumeArgs,
    RetypeVolumeArgs,
    RevertVolumeArgs,
    VolumeTaskArgs,
)
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import Tag
from pileus.domain.tasks import SlotClass, Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.compute.order_sources import resolve_volume_sources
from pileus.services.storage.volume_attachments import lock_all_snapshots_for_deletion, lock_instance_and_add_attachment
from pileus.services.tags import add_tags, patch_tags
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, snapshots, volumes


async def create_volume(
    tx: Tx, ctx: Context, new_volume: NewVolume, task_id: str, *, instance_id: str | None, policy_ids: Iterable[int]
) -> Task:
    """Save a new volume, its tags, policies and attachment, and start the task that creates it.

    Raises NotFound, Invalid, Conflict or QuotaExceeded.
    """
    await projects.require_active(tx, ctx.place)
    volume, volume_tags = await _plan_volume(tx, ctx, new_volume, task_id)
    await volumes.add(tx, volume)
    await add_tags(tx, ctx, volumes.KIND, volume.id, volume_tags)
    for policy_id in dict.fromkeys(policy_ids):
        policy = await lifecycle_policies.get_for_use(tx, ctx.place, policy_id)
        await lifecycle_policies.add_volumes(tx, policy.id, [volume.id])
    if instance_id:
        await lock_instance_and_add_attachment(tx, ctx, volume, instance_id, task_id, tag=new_volume.attachment_tag)
    args = CreateVolumeArgs(volume_id=volume.id, instance_id=instance_id)
    audit_data = {"name": volume.name, "size": volume.size, "type_name": volume.type_name, "source": new_volume.source}
    data = {"volume_id": volume.id, "instance_id": instance_id, **audit_data}
    entry = AuditEntry("volume", "create", volume.id, audit_data)
    slot_class = SlotClass.SLOW if volume.snapshot_id else None
    return await start_task(tx, ctx, task_id, CREATE_VOLUME, args, data=data, entry=entry, slot_class=slot_class)


async def update_volume(tx: Tx, ctx: Context, volume_id: str, patch: ResourcePatch) -> Volume:
    """Apply a merge patch to the name and the tags. Raises NotFound, or Conflict while a task has locked the volume."""
    existing = await volumes.get_for_change(tx, ctx.place, volume_id)
    volume = await volumes.save(tx, existing, existing.patched(patch, ctx.now()))
    if "tags" in patch:
        await patch_tags(tx, ctx, volumes.KIND, volume_id, patch["tags"])
    await write_audit_entry(tx, ctx, AuditEntry("volume", "update", volume_id, dict(patch), name=volume.name))
    return volume


async def delete_volume(tx: Tx, ctx: Context, volume_id: str, task_id: str) -> Task:
    """Lock the volume with all its snapshots and start the task that deletes them. Raises NotFound or Conflict."""
    volume = await volumes.get(tx, ctx.place, volume_id)
    await volumes.save(tx, volume, volume.deleting(task_id, ctx.now()))
    await lock_all_snapshots_for_deletion(tx, ctx, volume_id, task_id)
    entry = AuditEntry("volume", "delete", volume_id, name=volume.name)
    return await start_task(tx, ctx, task_id, DELETE_VOLUME, VolumeTaskArgs(volume_id=volume_id), entry=entry)


async def extend_volume(tx: Tx, ctx: Context, volume_id: str, size: int, task_id: str) -> Task:
    """Lock the volume and start the task that extends it to `size` GiB; the quota counts the new size at once.

    Raises NotFound, Conflict, Invalid or QuotaExceeded.
    """
    volume = await volumes.get(tx, ctx.place, volume_id)
    volume_type = ctx.catalogue.volume_type(volume.type_name)
    extending = volume.extending(size, volume_type, task_id, ctx.now())
    await check_quotas(tx, ctx, {"volume_size": extending.size - volume.size})
    await volumes.save(tx, volume, extending)
    args = ExtendVolumeArgs(volume_id=volume_id, size=volume.size)
    data = {"volume_id": volume_id, "size": size}
    entry = AuditEntry("volume", "resize", volume_id, data, name=volume.name)
    return await start_task(tx, ctx, task_id, EXTEND_VOLUME, args, data=data, entry=entry)


async def retype_volume(tx: Tx, ctx: Context, volume_id: str, type_name: str, task_id: str) -> Task | None:
    """Lock the volume and start the task that changes its type; return None if it has that type.

    Raises NotFound, Conflict or Invalid.
    """
    volume_types = ctx.catalogue.volume_types_by_name(ctx.require_region())
    volume = await volumes.get(tx, ctx.place, volume_id)
    if volume.require_unlocked().type_name == type_name:
        return None
    existing_snapshots = await snapshots.list_by_volume(tx, volume_id)
    retyping = volume.retyping(volume_types.get(type_name), type_name, existing_snapshots, task_id, ctx.now())
    await volumes.save(tx, volume, retyping)
    args = RetypeVolumeArgs(volume_id=volume_id, before=volume.type_name, volume_type=type_name)
    data = {"volume_id": volume_id, "volume_type": type_name}
    entry = AuditEntry("volume", "retype", volume_id, data, name=volume.name)
    return await start_task(tx, ctx, task_id, RETYPE_VOLUME, args, data=data, entry=entry)


async def revert_volume(tx: Tx, ctx: Context, volume_id: str, task_id: str) -> Task:
    """Lock the volume and its latest snapshot and start the task that reverts to it. Raises NotFound or Conflict."""
    volume = await volumes.get(tx, ctx.place, volume_id)
    existing_snapshots = await snapshots.list_by_volume(tx, volume_id)
    reverting, restoring = volume.reverting(existing_snapshots, task_id, ctx.now())
    await volumes.save(tx, volume, reverting)
    latest = next(snapshot for snapshot in existing_snapshots if snapshot.id == restoring.id)
    await snapshots.save(tx, latest, restoring)
    args = RevertVolumeArgs(volume_id=volume_id, snapshot_id=latest.id)
    audit_data = {"volume_id": volume_id, "snapshot_id": latest.id}
    entry = AuditEntry("volume", "revert", volume_id, audit_data, name=volume.name)
    return await start_task(tx, ctx, task_id, REVERT_VOLUME, args, entry=entry)


async def _plan_volume(tx: Tx, ctx: Context, new_volume: NewVolume, task_id: str) -> tuple[Volume, dict[str, Tag]]:
    """Make the records of a new volume and check the quotas."""
    sources = await resolve_volume_sources(tx, ctx, [new_volume])
    volume, volume_tags = plan_volume(new_volume, sources, ctx, task_id)
    await check_quotas(tx, ctx, {"volume_count": 1, "volume_size": volume.size})
    return volume, volume_tags
