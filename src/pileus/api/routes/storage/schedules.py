"""Schedules: look at and change one, and put them and volumes into lifecycle policies."""

from litestar import get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.routes.storage.lifecycle_policies import ONE as POLICY
from pileus.api.wire.storage.lifecycle_policies import AddSchedules, LifecyclePolicyView, PolicyVolumes, RemoveSchedules
from pileus.api.wire.storage.schedules import ScheduleView, UpdateSchedule
from pileus.api.wire.storage.schedules import schedule_view as shown_alone
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.services.storage.lifecycle_policies import add_schedules, add_volumes, remove_schedules, update_policy
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules

MEMBER, SCHEDULE = "lifecycle_policy_volume_member", "snapshot_schedule"
ONE = "/cloud/v1/schedule/{project_id:int}/{region_id:int}/{schedule_id:str}"


@get(ONE, opt=READ, tags=["Snapshot Schedules"])
async def get_schedule(ctx: Ctx, schedule_id: FromPath[str]) -> ScheduleView:
    """Show a schedule; its owner is the policy that it belongs to."""
    async with ctx.db.read() as tx:
        return shown_alone(await schedules.get(tx, ctx.place, schedule_id))


@patch(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def update_schedule(ctx: Ctx, schedule_id: FromPath[str], data: JSONBody[UpdateSchedule]) -> ScheduleView:
    """Change when a schedule takes snapshots, what they are called, how many are kept and how long.

    What is absent stays; another `type` starts from nothing. A new `retention_time` counts for the snapshots that are
    there already; fewer of them are kept from the next one on.
    """

    async def write(tx: Tx) -> ScheduleView:
        before = await schedules.get(tx, ctx.place, schedule_id)
        after = before.changed(data.changes(), data.timing(), ctx.now())
        after = await schedules.save(tx, before, after)
        await ctx.audit(tx, SCHEDULE, "update", schedule_id, data=to_builtins(data))
        return shown_alone(after)

    return await ctx.db.write(write)


@post(f"{POLICY}/add_schedules", opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def add_schedules_to_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[AddSchedules]
) -> LifecyclePolicyView:
    """Put more schedules into a policy, ten at most in all."""

    async def add(tx: Tx, policy: LifecyclePolicy) -> None:
        await add_schedules(tx, ctx, policy, data.schedules)

    return await update_policy(ctx, policy_id, (SCHEDULE, "create"), data, add)


@post(f"{POLICY}/remove_schedules", opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def remove_schedules_from_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[RemoveSchedules]
) -> LifecyclePolicyView:
    """Delete schedules of a policy; the snapshots that they have taken stay until somebody deletes them."""

    async def remove(tx: Tx, policy: LifecyclePolicy) -> None:
        await remove_schedules(tx, policy, data.schedule_ids)

    return await update_policy(ctx, policy_id, (SCHEDULE, "delete"), data, remove)


@put(f"{POLICY}/add_volumes_to_policy", opt=WRITE, tags=["Snapshot Schedules"])
async def add_volumes_to_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[PolicyVolumes]
) -> LifecyclePolicyView:
    """Put volumes into a policy; those that are in it stay."""

    async def add(tx: Tx, policy: LifecyclePolicy) -> None:
        await add_volumes(tx, ctx, policy, data.volume_ids)

    return await update_policy(ctx, policy_id, (MEMBER, "create"), data, add)


@put(f"{POLICY}/remove_volumes_from_policy", opt=WRITE, tags=["Snapshot Schedules"])
async def remove_volumes_from_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[PolicyVolumes]
) -> LifecyclePolicyView:
    """Take volumes out of a policy; those that are not in it do not matter, and all their snapshots stay."""

    async def remove(tx: Tx, policy: LifecyclePolicy) -> None:
        await lifecycle_policies.exclude(tx, policy.id, data.volume_ids)

    return await update_policy(ctx, policy_id, (MEMBER, "delete"), data, remove)


ROUTES = [
    get_schedule,
    update_schedule,
    add_schedules_to_policy,
    remove_schedules_from_policy,
    add_volumes_to_policy,
    remove_volumes_from_policy,
]
