"""Create, update and delete lifecycle policies, and add schedules and volumes to them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import invalid, not_found
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import MOST_SCHEDULES, NewSchedule, Schedule
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import audit
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, volumes

POLICY, MEMBER, SCHEDULE = "lifecycle_policy", "lifecycle_policy_volume_member", "snapshot_schedule"
"""Groups of the audit log."""


async def create_lifecycle_policy(
    tx: Tx,
    ctx: Context,
    *,
    name: str,
    action: str,
    status: str,
    schedule_specs: Sequence[NewSchedule],
    volume_ids: Iterable[str],
    audit_data: dict[str, Any],
) -> LifecyclePolicy:
    """Save a new policy with its schedules and volumes. Raises NotFound, Conflict, Invalid or QuotaExceeded."""
    await projects.require_open(tx, ctx.place)
    now = ctx.now()
    policy = LifecyclePolicy(
        id=await lifecycle_policies.next_id(tx),
        client_id=ctx.place.client_id,
        project_id=ctx.place.project_id,
        region_id=ctx.place.region_id,
        user_id=ctx.caller.user_id,
        name=name,
        action=action,
        status=status,
        created_at=now,
        updated_at=now,
    )
    await lifecycle_policies.add(tx, policy)
    await _add_schedules(tx, ctx, policy, schedule_specs)
    await _add_volumes(tx, ctx, policy, volume_ids)
    await audit(tx, ctx, AuditEntry(POLICY, "create", policy.id, audit_data, name=policy.name))
    return policy


async def update_lifecycle_policy(tx: Tx, ctx: Context, policy_id: int, changes: Mapping[str, Any]) -> LifecyclePolicy:
    """Change fields of a policy; a new status pauses or resumes its schedules. Raises NotFound."""
    existing = await lifecycle_policies.get(tx, ctx.place, policy_id)
    policy = await lifecycle_policies.save(tx, existing, replace(existing, **changes, updated_at=ctx.now()))
    if existing.status != policy.status:
        await _pause_or_resume_schedules(tx, policy, ctx.now())
    await audit(tx, ctx, AuditEntry(POLICY, "update", policy_id, dict(changes), name=policy.name))
    return policy


async def delete_lifecycle_policy(tx: Tx, ctx: Context, policy_id: int) -> None:
    """Delete a policy and its schedules; their snapshots stay. Raises NotFound."""
    policy = await _lock_policy(tx, ctx, policy_id)
    for schedule in await schedules.of_policy(tx, policy_id):
        await schedules.remove(tx, schedule.id)
    await lifecycle_policies.remove(tx, policy_id)
    await audit(tx, ctx, AuditEntry(POLICY, "delete", policy_id, name=policy.name))


async def add_schedules(
    tx: Tx, ctx: Context, policy_id: int, specs: Sequence[NewSchedule], audit_data: dict[str, Any]
) -> LifecyclePolicy:
    """Add schedules to a policy. Raises NotFound, QuotaExceeded, or Invalid if they are too many or have no moments."""
    policy = await _lock_policy(tx, ctx, policy_id)
    await _add_schedules(tx, ctx, policy, specs)
    await audit(tx, ctx, AuditEntry(SCHEDULE, "create", policy_id, audit_data, name=policy.name))
    return policy


async def remove_schedules(tx: Tx, ctx: Context, policy_id: int, schedule_ids: Sequence[str]) -> LifecyclePolicy:
    """Delete schedules of a policy; their snapshots stay. Raises NotFound for a schedule of another policy."""
    policy = await _lock_policy(tx, ctx, policy_id)
    existing = {schedule.id for schedule in await schedules.of_policy(tx, policy.id)}
    for schedule_id in dict.fromkeys(schedule_ids):
        if schedule_id not in existing:
            raise not_found("Schedule", schedule_id)
        await schedules.remove(tx, schedule_id)
    audit_data = {"schedule_ids": list(schedule_ids)}
    await audit(tx, ctx, AuditEntry(SCHEDULE, "delete", policy_id, audit_data, name=policy.name))
    return policy


async def add_volumes_to_policy(tx: Tx, ctx: Context, policy_id: int, volume_ids: Sequence[str]) -> LifecyclePolicy:
    """Add volumes of the same project and region to a policy. Raises NotFound."""
    policy = await _lock_policy(tx, ctx, policy_id)
    await _add_volumes(tx, ctx, policy, volume_ids)
    audit_data = {"volume_ids": list(volume_ids)}
    await audit(tx, ctx, AuditEntry(MEMBER, "create", policy_id, audit_data, name=policy.name))
    return policy


async def remove_volumes_from_policy(
    tx: Tx, ctx: Context, policy_id: int, volume_ids: Sequence[str]
) -> LifecyclePolicy:
    """Remove volumes from a policy; ids that it does not have are ignored. Raises NotFound for the policy."""
    policy = await _lock_policy(tx, ctx, policy_id)
    await lifecycle_policies.exclude(tx, policy.id, volume_ids)
    audit_data = {"volume_ids": list(volume_ids)}
    await audit(tx, ctx, AuditEntry(MEMBER, "delete", policy_id, audit_data, name=policy.name))
    return policy


async def update_schedule(
    tx: Tx,
    ctx: Context,
    schedule_id: str,
    changes: Mapping[str, Any],
    timing: Mapping[str, Any],
    audit_data: dict[str, Any],
) -> Schedule:
    """Change fields of a schedule and of its timing. Raises NotFound or Invalid."""
    existing = await schedules.get(tx, ctx.place, schedule_id)
    schedule = await schedules.save(tx, existing, existing.changed(changes, timing, ctx.now()))
    await audit(tx, ctx, AuditEntry(SCHEDULE, "update", schedule_id, audit_data))
    return schedule


async def _lock_policy(tx: Tx, ctx: Context, policy_id: int) -> LifecyclePolicy:
    """Bump the revision, so that other requests that change the policy conflict. Raises NotFound."""
    return await lifecycle_policies.bump_revision(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))


async def _add_schedules(tx: Tx, ctx: Context, policy: LifecyclePolicy, specs: Sequence[NewSchedule]) -> None:
    if len(await schedules.of_policy(tx, policy.id)) + len(specs) > MOST_SCHEDULES:
        raise invalid(schedules=f"A policy has at most {MOST_SCHEDULES} schedules")
    await check_quotas(tx, ctx, {"snapshot_schedule_count": len(specs)})
    for spec in specs:
        schedule = _new_schedule(ctx, policy, spec)
        await schedules.add(tx, schedule.armed(schedule.created_at) if policy.is_active else schedule)


def _new_schedule(ctx: Context, policy: LifecyclePolicy, spec: NewSchedule) -> Schedule:
    now = ctx.now()
    return Schedule(
        **asdict(spec.checked(now)),
        id=ctx.new_id(),
        client_id=policy.client_id,
        project_id=policy.project_id,
        region_id=policy.region_id,
        user_id=ctx.caller.user_id,
        lifecycle_policy_id=policy.id,
        next_at=None,
        created_at=now,
    )


async def _add_volumes(tx: Tx, ctx: Context, policy: LifecyclePolicy, volume_ids: Iterable[str]) -> None:
    unique_ids = sorted(set(volume_ids))
    for volume_id in unique_ids:
        await volumes.get(tx, ctx.place, volume_id)
    await lifecycle_policies.include(tx, policy.id, unique_ids)


async def _pause_or_resume_schedules(tx: Tx, policy: LifecyclePolicy, now: int) -> None:
    for schedule in await schedules.of_policy(tx, policy.id):
        await schedules.save(tx, schedule, schedule.armed(now) if policy.is_active else schedule.paused())
        if not policy.is_active:
            await schedules.forget_due(tx, schedule.id)
