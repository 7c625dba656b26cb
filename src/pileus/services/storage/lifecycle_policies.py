"""What requests about lifecycle policies have in common: showing one, and putting schedules and volumes into it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec import Struct, to_builtins
from msgspec.structs import asdict

from pileus.api.context import RequestContext
from pileus.api.wire.storage.lifecycle_policies import LifecyclePolicyView
from pileus.api.wire.storage.schedules import CreateSchedule
from pileus.domain.errors import invalid, not_found
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import MOST_SCHEDULES, Schedule
from pileus.services.account.request_quotas import check_quotas
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, volumes


async def policy_view(tx: Tx, policy: LifecyclePolicy) -> LifecyclePolicyView:
    """A policy with all that is in it."""
    return (await policy_views(tx, [policy]))[0]


async def policy_views(tx: Tx, policies: Sequence[LifecyclePolicy]) -> list[LifecyclePolicyView]:
    """Policies with all that is in them."""
    ids = [policy.id for policy in policies]
    theirs, hung = await schedules.of_each(tx, ids), await lifecycle_policies.volumes_of_each(tx, ids)
    return [LifecyclePolicyView.of(policy, theirs[policy.id], hung[policy.id]) for policy in policies]


async def update_policy(
    ctx: RequestContext,
    policy_id: int,
    told: tuple[str, str],
    data: Struct,
    change: Callable[[Tx, LifecyclePolicy], Awaitable[None]],
) -> LifecyclePolicyView:
    """Change what is in a policy; `told` is the group and the action under which the audit log tells of it."""

    async def write(tx: Tx) -> LifecyclePolicyView:
        policy = await lifecycle_policies.bump_revision(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))
        await change(tx, policy)
        await ctx.audit(tx, *told, policy_id, data=to_builtins(data), name=policy.name)
        return await policy_view(tx, policy)

    return await ctx.db.write(write)


async def add_schedules(tx: Tx, ctx: RequestContext, policy: LifecyclePolicy, asked: Sequence[CreateSchedule]) -> None:
    """Put new schedules into a policy; raises Invalid for too many and for what cannot be kept, or QuotaExceeded."""
    if len(await schedules.of_policy(tx, policy.id)) + len(asked) > MOST_SCHEDULES:
        raise invalid(schedules=f"A policy has at most {MOST_SCHEDULES} schedules")
    await check_quotas(tx, ctx, {"snapshot_schedule_count": len(asked)})
    for wanted in asked:
        schedule = _new(ctx, policy, wanted)
        await schedules.add(tx, schedule.armed(schedule.created_at) if policy.is_active else schedule)


async def remove_schedules(tx: Tx, policy: LifecyclePolicy, schedule_ids: Iterable[str]) -> None:
    """Delete schedules of a policy; raises NotFound for one that is not its."""
    its = {schedule.id for schedule in await schedules.of_policy(tx, policy.id)}
    for schedule_id in dict.fromkeys(schedule_ids):
        if schedule_id not in its:
            raise not_found("Schedule", schedule_id)
        await schedules.remove(tx, schedule_id)


async def add_volumes(tx: Tx, ctx: RequestContext, policy: LifecyclePolicy, volume_ids: Iterable[str]) -> None:
    """Put volumes of the same place into a policy; raises NotFound."""
    named = sorted(set(volume_ids))
    for volume_id in named:
        await volumes.get(tx, ctx.place, volume_id)
    await lifecycle_policies.include(tx, policy.id, named)


def _new(ctx: RequestContext, policy: LifecyclePolicy, wanted: CreateSchedule) -> Schedule:
    now = ctx.now()
    return Schedule(
        **asdict(wanted.asked(now)),
        id=ctx.new_id(),
        client_id=policy.client_id,
        project_id=policy.project_id,
        region_id=policy.region_id,
        user_id=ctx.caller.user_id,
        lifecycle_policy_id=policy.id,
        next_at=None,
        created_at=now,
    )
