"""Lifecycle policies: list, make, look at, change and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.lifecycle_policies import CreateLifecyclePolicy, LifecyclePolicyView, UpdateLifecyclePolicy
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.services.storage.lifecycle_policies import add_schedules, add_volumes, policy_view, policy_views
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules

GROUP = "lifecycle_policy"
ALL = f"/cloud/v1/{GROUP}/{{project_id:int}}/{{region_id:int}}"
ONE = f"{ALL}/{{policy_id:int}}"


@get(ALL, opt=READ, tags=["Snapshot Schedules"])
async def list_lifecycle_policies(ctx: Ctx) -> Page[LifecyclePolicyView]:
    """List lifecycle policies with their schedules and volumes, the oldest first."""
    ctx.region()
    async with ctx.db.scan() as tx:
        found = await lifecycle_policies.every(tx, await projects.require(tx, ctx.place))
        return Page(count=len(found), results=await policy_views(tx, found))


@post(ALL, opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def create_lifecycle_policy(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> LifecyclePolicyView:
    """Make a policy that takes snapshots of volumes by schedules, and deletes them again.

    A schedule of type `cron` follows the calendar of its `timezone` (UTC by default): `hour: "0,12", minute: "30"` is
    twice a day. One of type `interval` comes again after so many weeks, days, hours and minutes. Moments that pass
    while no server runs count as one.

    Of each volume a schedule keeps its latest `max_quantity` snapshots, each no longer than `retention_time`. Names
    are made from `resource_name_template`, with `{volume_id}`, `{schedule_id}`, `{lifecycle_policy_id}`,
    `{datetime_utc}` and `{local_datetime}` filled in. A snapshot that quotas do not allow shows as a failed task.
    """
    ctx.region()

    async def write(tx: Tx) -> LifecyclePolicyView:
        await projects.require_open(tx, ctx.place)
        policy = await lifecycle_policies.add(tx, _new(ctx, data, await lifecycle_policies.next_id(tx)))
        await add_schedules(tx, ctx, policy, data.schedules)
        await add_volumes(tx, ctx, policy, data.volume_ids)
        await ctx.audit(tx, GROUP, "create", policy.id, data=to_builtins(data), name=policy.name)
        return await policy_view(tx, policy)

    return await ctx.db.write(write)


@get(ONE, opt=READ, tags=["Snapshot Schedules"])
async def get_lifecycle_policy(ctx: Ctx, policy_id: FromPath[int]) -> LifecyclePolicyView:
    """Show a lifecycle policy with its schedules and volumes."""
    async with ctx.db.read() as tx:
        return await policy_view(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))


@patch(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def update_lifecycle_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[UpdateLifecyclePolicy]
) -> LifecyclePolicyView:
    """Rename a policy, pause it or let it go on.

    A paused policy takes no snapshots, and those that it would have taken are not made up for; what it has taken is
    still deleted when its time is over.
    """
    changes = data.changes()

    async def write(tx: Tx) -> LifecyclePolicyView:
        before = await lifecycle_policies.get(tx, ctx.place, policy_id)
        after = replace(before, **changes, updated_at=ctx.now())
        after = await lifecycle_policies.save(tx, before, after)
        if before.status != after.status:
            await _set_going(tx, after, ctx.now())
        await ctx.audit(tx, GROUP, "update", policy_id, data=changes, name=after.name)
        return await policy_view(tx, after)

    return await ctx.db.write(write)


@delete(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def delete_lifecycle_policy(ctx: Ctx, policy_id: FromPath[int]) -> None:
    """Delete a policy and its schedules; the snapshots that they have taken stay until somebody deletes them."""

    async def write(tx: Tx) -> None:
        policy = await lifecycle_policies.get(tx, ctx.place, policy_id)
        await lifecycle_policies.bump_revision(tx, policy)
        for schedule in await schedules.of_policy(tx, policy_id):
            await schedules.remove(tx, schedule.id)
        await lifecycle_policies.remove(tx, policy_id)
        await ctx.audit(tx, GROUP, "delete", policy_id, name=policy.name)

    await ctx.db.write(write)


def _new(ctx: RequestContext, data: CreateLifecyclePolicy, policy_id: int) -> LifecyclePolicy:
    now = ctx.now()
    return LifecyclePolicy(
        id=policy_id,
        client_id=ctx.place.client_id,
        project_id=ctx.place.project_id,
        region_id=ctx.place.region_id,
        user_id=ctx.caller.user_id,
        name=data.name,
        action=data.action,
        status=data.status,
        created_at=now,
        updated_at=now,
    )


async def _set_going(tx: Tx, policy: LifecyclePolicy, now: int) -> None:
    for schedule in await schedules.of_policy(tx, policy.id):
        await schedules.save(tx, schedule, schedule.armed(now) if policy.is_active else schedule.paused())
        if not policy.is_active:
            await schedules.forget_due(tx, schedule.id)


ROUTES = [
    list_lifecycle_policies,
    create_lifecycle_policy,
    get_lifecycle_policy,
    update_lifecycle_policy,
    delete_lifecycle_policy,
]
