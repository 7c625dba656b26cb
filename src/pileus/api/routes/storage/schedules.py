"""Schedules: read and update them, and change the schedules and volumes of lifecycle policies."""

from litestar import get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.routes.storage.lifecycle_policies import ONE as POLICY
from pileus.api.routes.storage.lifecycle_policies import write_policy_change
from pileus.api.wire.storage.lifecycle_policies import LifecyclePolicyView
from pileus.api.wire.storage.lifecycle_policy_requests import (
    AddSchedules,
    PolicyVolumeIds,
    RemoveSchedules,
    to_new_schedules,
)
from pileus.api.wire.storage.schedule_requests import UpdateSchedule
from pileus.api.wire.storage.schedules import ScheduleView, schedule_view
from pileus.services.storage import lifecycle_policies as policy_service
from pileus.services.storage import schedules as schedule_service
from pileus.store.storage import schedules

ONE = "/cloud/v1/schedule/{project_id:int}/{region_id:int}/{schedule_id:str}"


@get(ONE, opt=READ, tags=["Snapshot Schedules"])
async def get_schedule(ctx: Ctx, schedule_id: FromPath[str]) -> ScheduleView:
    """Get a schedule. `owner_id` is the lifecycle policy that it belongs to."""
    async with ctx.db.read() as tx:
        return schedule_view(await schedules.get(tx, ctx.place, schedule_id))


@patch(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def update_schedule(ctx: Ctx, schedule_id: FromPath[str], data: JSONBody[UpdateSchedule]) -> ScheduleView:
    """Change the timing of a schedule, and the names, the number and the retention time of its snapshots.

    Absent fields do not change; a different `type` resets the timing. A new `retention_time` also applies to existing
    snapshots; a lower `max_quantity` applies from the next snapshot on.
    """
    changes, timing, audit_data = data.changed_fields(), data.changed_timing_fields(), to_builtins(data)
    schedule = await ctx.write(
        lambda tx: schedule_service.update_schedule(tx, ctx, schedule_id, changes, timing, audit_data)
    )
    return schedule_view(schedule)


@post(f"{POLICY}/add_schedules", opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def add_schedules_to_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[AddSchedules]
) -> LifecyclePolicyView:
    """Add schedules to a policy. A policy has at most ten schedules."""
    schedules_to_add, audit_data = to_new_schedules(data), to_builtins(data)
    return await write_policy_change(
        ctx, lambda tx: schedule_service.add_schedules(tx, ctx, policy_id, schedules_to_add, audit_data)
    )


@post(f"{POLICY}/remove_schedules", opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def remove_schedules_from_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[RemoveSchedules]
) -> LifecyclePolicyView:
    """Delete schedules of a policy. Snapshots that they have taken remain until you delete them."""
    return await write_policy_change(
        ctx, lambda tx: schedule_service.remove_schedules(tx, ctx, policy_id, data.schedule_ids)
    )


@put(f"{POLICY}/add_volumes_to_policy", opt=WRITE, tags=["Snapshot Schedules"])
async def add_volumes_to_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[PolicyVolumeIds]
) -> LifecyclePolicyView:
    """Add volumes to a policy. Volumes that the policy has already remain."""
    return await write_policy_change(
        ctx, lambda tx: policy_service.add_volumes_to_policy(tx, ctx, policy_id, data.volume_ids)
    )


@put(f"{POLICY}/remove_volumes_from_policy", opt=WRITE, tags=["Snapshot Schedules"])
async def remove_volumes_from_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[PolicyVolumeIds]
) -> LifecyclePolicyView:
    """Remove volumes from a policy. Volumes that the policy does not have are ignored, and all snapshots remain."""
    return await write_policy_change(
        ctx, lambda tx: policy_service.remove_volumes_from_policy(tx, ctx, policy_id, data.volume_ids)
    )


ROUTES = [
    get_schedule,
    update_schedule,
    add_schedules_to_policy,
    remove_schedules_from_policy,
    add_volumes_to_policy,
    remove_volumes_from_policy,
]
