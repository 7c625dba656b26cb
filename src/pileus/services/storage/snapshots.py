"""Create, update and delete snapshots of volumes."""

from collections.abc import Mapping

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.patches import ResourcePatch
from pileus.domain.storage.task_types import CREATE_SNAPSHOT, DELETE_SNAPSHOT, CreateSnapshotArgs, DeleteSnapshotArgs
from pileus.domain.storage.volumes import Snapshot, new_snapshot
from pileus.domain.tags import Tags, make_tags, replaced_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tags import add_tags, patch_tags, save_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes


async def create_snapshot(
    tx: Tx,
    ctx: Context,
    volume_id: str,
    name: str,
    task_id: str,
    *,
    description: str | None,
    tag_values: Mapping[str, str],
) -> Task:
    """Save a new snapshot and start the task that takes it. Raises NotFound, Conflict or QuotaExceeded."""
    await projects.require_active(tx, ctx.place)
    volume = (await volumes.get(tx, ctx.place, volume_id)).require_snapshottable()
    await volumes.bump_revision(tx, volume)
    await check_quotas(tx, ctx, {"volume_snapshots_count": 1, "volume_snapshots_size": volume.size})
    planned = new_snapshot(volume, ctx.new_id(), name, task_id, ctx.now(), description=description)
    snapshot = await snapshots.add(tx, planned)
    await add_tags(tx, ctx, snapshots.KIND, snapshot.id, make_tags(tag_values.items()))
    args = CreateSnapshotArgs(snapshot_id=snapshot.id, volume_id=volume.id)
    audit_data = {"name": snapshot.name, "volume_id": volume.id}
    entry = AuditEntry("snapshot", "create", snapshot.id, audit_data)
    data = {"snapshot_id": snapshot.id, **audit_data}
    return await start_task(tx, ctx, task_id, CREATE_SNAPSHOT, args, data=data, entry=entry)


async def update_snapshot(tx: Tx, ctx: Context, snapshot_id: str, patch: ResourcePatch) -> tuple[Snapshot, Tags]:
    """Apply a merge patch to the name and the tags. Raises NotFound, or Conflict while a task has locked the snapshot.

    Returns the snapshot with all its tags.
    """
    existing = await snapshots.get_for_change(tx, ctx.place, snapshot_id)
    snapshot = await snapshots.save(tx, existing, existing.patched(patch, ctx.now()))
    patched_tags = await patch_tags(tx, ctx, snapshots.KIND, snapshot_id, patch.get("tags", {}))
    await write_audit_entry(tx, ctx, AuditEntry("snapshot", "update", snapshot_id, dict(patch), name=snapshot.name))
    return snapshot, patched_tags


async def replace_snapshot_metadata(
    tx: Tx, ctx: Context, snapshot_id: str, tag_values: Mapping[str, str]
) -> tuple[Snapshot, Tags]:
    """Replace all tags that are not read-only. Raises NotFound, or Conflict while a task has locked the snapshot.

    Returns the snapshot with all its tags.
    """
    snapshot = (await snapshots.get_for_change(tx, ctx.place, snapshot_id)).require_unlocked()
    existing_tags = await tags.list_by_resource(tx, snapshot_id)
    new_tags = replaced_tags(existing_tags, tag_values)
    await save_tags(tx, ctx, snapshots.KIND, snapshot_id, existing_tags, new_tags)
    audit_data = {"metadata": dict(tag_values)}
    await write_audit_entry(
        tx, ctx, AuditEntry("snapshot", "replace_metadata", snapshot_id, audit_data, name=snapshot.name)
    )
    return snapshot, new_tags


async def delete_snapshot(tx: Tx, ctx: Context, snapshot_id: str, task_id: str) -> Task:
    """Lock the snapshot and start the task that deletes it. Raises NotFound or Conflict."""
    snapshot = await snapshots.get(tx, ctx.place, snapshot_id)
    await snapshots.save(tx, snapshot, snapshot.deleting(task_id, ctx.now()))
    if new_volume_id := await snapshots.find_new_volume_id(tx, snapshot_id):
        raise Conflict(f"Snapshot {snapshot_id} is in use: volume {new_volume_id} is being created from it")
    args, data = DeleteSnapshotArgs(snapshot_id=snapshot_id), {"snapshot_id": snapshot_id}
    entry = AuditEntry("snapshot", "delete", snapshot_id, name=snapshot.name)
    return await start_task(tx, ctx, task_id, DELETE_SNAPSHOT, args, data=data, entry=entry)
