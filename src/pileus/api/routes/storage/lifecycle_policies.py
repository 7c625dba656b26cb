"""Lifecycle policies: list, create, read, update and delete them."""

from collections.abc import Awaitable, Callable, Sequence

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.lifecycle_policies import LifecyclePolicyView
from pileus.api.wire.storage.lifecycle_policy_requests import (
    CreateLifecyclePolicy,
    UpdateLifecyclePolicy,
    to_new_schedules,
)
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.services.storage import lifecycle_policies as policy_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.storage import lifecycle_policies, schedules

ALL = "/cloud/v1/lifecycle_policy/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{policy_id:int}}"


@get(ALL, opt=READ, tags=["Snapshot Schedules"])
async def list_lifecycle_policies(ctx: Ctx) -> Page[LifecyclePolicyView]:
    """List lifecycle policies with their schedules and volumes, the oldest first."""
    ctx.require_region()
    async with ctx.db.scan() as tx:
        policies = await lifecycle_policies.list_all(tx, await projects.require_existing(tx, ctx.place))
        return Page(count=len(policies), results=await build_policy_views(tx, policies))


@post(ALL, opt=WRITE, status_code=200, tags=["Snapshot Schedules"])
async def create_lifecycle_policy(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> LifecyclePolicyView:
    """Create a policy that takes snapshots of volumes by schedules and deletes them again.

    A schedule of type `cron` follows the calendar of its `timezone` (default: UTC): `hour: "0,12", minute: "30"` means
    twice a day. A schedule of type `interval` repeats after the given weeks, days, hours and minutes. Times that pass
    while no server runs count as one, and so does a time of day that comes twice because clocks go back.

    A schedule keeps the latest `max_quantity` snapshots of each volume, each for at most `retention_time`. Snapshots
    are named by `resource_name_template`, in which `{volume_id}`, `{schedule_id}`, `{lifecycle_policy_id}`,
    `{datetime_utc}` and `{local_datetime}` are replaced. A snapshot that exceeds a quota appears as a failed task.
    """
    ctx.require_region()
    return await write_policy_change(
        ctx,
        lambda tx: policy_service.create_lifecycle_policy(
            tx,
            ctx,
            name=data.name,
            action=data.action,
            status=data.status,
            new_schedules=to_new_schedules(data),
            volume_ids=data.volume_ids,
            audit_data=to_builtins(data),
        ),
    )


@get(ONE, opt=READ, tags=["Snapshot Schedules"])
async def get_lifecycle_policy(ctx: Ctx, policy_id: FromPath[int]) -> LifecyclePolicyView:
    """Get a lifecycle policy with its schedules and volumes."""
    async with ctx.db.read() as tx:
        (view,) = await build_policy_views(tx, [await lifecycle_policies.get(tx, ctx.place, policy_id)])
        return view


@patch(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def update_lifecycle_policy(
    ctx: Ctx, policy_id: FromPath[int], data: JSONBody[UpdateLifecyclePolicy]
) -> LifecyclePolicyView:
    """Rename a policy, pause it or resume it.

    A paused policy takes no snapshots, and missed ones are not taken later. Its existing snapshots are still deleted
    when their retention time ends.
    """
    changes = data.changed_fields()
    return await write_policy_change(
        ctx, lambda tx: policy_service.update_lifecycle_policy(tx, ctx, policy_id, changes)
    )


@delete(ONE, opt=WRITE, tags=["Snapshot Schedules"])
async def delete_lifecycle_policy(ctx: Ctx, policy_id: FromPath[int]) -> None:
    """Delete a policy and its schedules. Snapshots that they have taken remain until you delete them."""
    await ctx.write(lambda tx: policy_service.delete_lifecycle_policy(tx, ctx, policy_id))


async def write_policy_change(
    ctx: RequestContext, change: Callable[[Tx], Awaitable[LifecyclePolicy]]
) -> LifecyclePolicyView:
    """Change a policy and make its view, in one transaction."""

    async def write(tx: Tx) -> LifecyclePolicyView:
        (view,) = await build_policy_views(tx, [await change(tx)])
        return view

    return await ctx.write(write)


async def build_policy_views(tx: Tx, policies: Sequence[LifecyclePolicy]) -> list[LifecyclePolicyView]:
    """Make the views of policies with their schedules and volumes."""
    ids = [policy.id for policy in policies]
    schedules_by_policy = await schedules.list_by_policies(tx, ids)
    volumes_by_policy = await lifecycle_policies.list_volumes_by_policy(tx, ids)
    return await build_in_turns(
        LifecyclePolicyView.of(policy, schedules_by_policy[policy.id], volumes_by_policy[policy.id])
        for policy in policies
    )


ROUTES = [
    list_lifecycle_policies,
    create_lifecycle_policy,
    get_lifecycle_policy,
    update_lifecycle_policy,
    delete_lifecycle_policy,
]
