"""Create and delete placement groups; put instances into them and remove them."""

from msgspec.structs import asdict

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.placement_groups import PlacementGroup, check_another_member_allowed
from pileus.domain.compute.task_types import (
    DELETE_PLACEMENT_GROUP,
    PUT_INTO_PLACEMENT_GROUP,
    REMOVE_FROM_PLACEMENT_GROUP,
    DeletePlacementGroupArgs,
    PutIntoPlacementGroupArgs,
    RemoveFromPlacementGroupArgs,
)
from pileus.domain.context import Context
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx


async def create_placement_group(tx: Tx, ctx: Context, name: str, policy: str) -> PlacementGroup:
    """Save a new placement group. Raises NotFound, Conflict or QuotaExceeded."""
    ctx.require_region()
    group = PlacementGroup(
        id=ctx.new_id(),
        **asdict(ctx.place),
        name=name,
        policy=policy,
        created_at=ctx.now(),
    )
    await projects.require_active(tx, ctx.place)
    await check_quotas(tx, ctx, {"servergroup_count": 1})
    await placement_groups.add(tx, group)
    await write_audit_entry(tx, ctx, AuditEntry("servergroup", "create", group.id, {"name": name, "policy": policy}))
    return group


async def delete_placement_group(tx: Tx, ctx: Context, group_id: str, task_id: str) -> Task:
    """Lock the placement group and start the task that deletes it."""
    group = await placement_groups.get(tx, ctx.place, group_id)
    await placement_groups.save(tx, group, group.locked(task_id))
    args = DeletePlacementGroupArgs(servergroup_id=group_id)
    entry = AuditEntry("servergroup", "delete", group_id, name=group.name)
    return await start_task(tx, ctx, task_id, DELETE_PLACEMENT_GROUP, args, entry=entry)


async def put_into_placement_group(tx: Tx, ctx: Context, instance_id: str, group_id: str, task_id: str) -> Task:
    """Lock the instance and start the task that puts it into the placement group."""
    instance = await instances.get(tx, ctx.place, instance_id)
    await lock_placement_group_for_new_member(tx, ctx, group_id)
    await instances.save(tx, instance, instance.entering_placement_group(group_id, task_id))
    args = PutIntoPlacementGroupArgs(instance_id=instance_id, servergroup_id=group_id, host=instance.host)
    data = {"instance_id": instance_id, "servergroup_id": group_id}
    entry = AuditEntry("instance", "put_into_servergroup", instance_id, {"servergroup_id": group_id})
    return await start_task(tx, ctx, task_id, PUT_INTO_PLACEMENT_GROUP, args, data=data, entry=entry)


async def lock_placement_group_for_new_member(tx: Tx, ctx: Context, group_id: str) -> PlacementGroup:
    """Return a group that can have another member; other requests that add one conflict.

    Raises NotFound, Conflict, or Invalid if it has too many members.
    """
    group = (await placement_groups.get(tx, ctx.place, group_id)).require_unlocked()
    check_another_member_allowed(await placement_groups.count_members(tx, group_id))
    return await placement_groups.bump_revision(tx, group)


async def remove_from_placement_group(tx: Tx, ctx: Context, instance_id: str, task_id: str) -> Task:
    """Lock the instance and start the task that removes it from its placement group."""
    instance = await instances.get(tx, ctx.place, instance_id)
    leaving = instance.leaving_placement_group(task_id)
    await instances.save(tx, instance, leaving)
    args = RemoveFromPlacementGroupArgs(instance_id=instance_id, servergroup_id=instance.placement_group_id or "")
    entry = AuditEntry("instance", "remove_from_servergroup", instance_id)
    return await start_task(tx, ctx, task_id, REMOVE_FROM_PLACEMENT_GROUP, args, entry=entry)
