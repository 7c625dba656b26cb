"""Add, update and remove the schedules of lifecycle policies."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from pileus.domain import limits
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import nest_field_errors, not_found
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import NewSchedule, Schedule
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules

SCHEDULE = "snapshot_schedule"
"""Group of the audit log."""


async def add_schedules(
    tx: Tx, ctx: Context, policy_id: int, new_schedules: Sequence[NewSchedule], audit_data: dict[str, Any]
) -> LifecyclePolicy:
    """Add schedules to a policy. Raises NotFound, QuotaExceeded, or Invalid if they are too many or have no moments."""
    await projects.require_active(tx, ctx.place)
    policy = await lifecycle_policies.bump_revision(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))
    await save_new_schedules(tx, ctx, policy, new_schedules)
    await write_audit_entry(tx, ctx, AuditEntry(SCHEDULE, "create", policy_id, audit_data, name=policy.name))
    return policy


async def remove_schedules(tx: Tx, ctx: Context, policy_id: int, schedule_ids: Sequence[str]) -> LifecyclePolicy:
    """Delete schedules of a policy; their snapshots stay. Raises NotFound for a schedule of another policy."""
    policy = await lifecycle_policies.bump_revision(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))
    existing = {schedule.id for schedule in await schedules.list_by_policy(tx, policy.id)}
    for schedule_id in dict.fromkeys(schedule_ids):
        if schedule_id not in existing:
            raise not_found("Schedule", schedule_id)
        await schedules.remove(tx, schedule_id)
    audit_data = {"schedule_ids": list(schedule_ids)}
    await write_audit_entry(tx, ctx, AuditEntry(SCHEDULE, "delete", policy_id, audit_data, name=policy.name))
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
    schedule = await schedules.save(tx, existing, existing.patched(changes, timing, ctx.now()))
    await write_audit_entry(tx, ctx, AuditEntry(SCHEDULE, "update", schedule_id, audit_data))
    return schedule


async def save_new_schedules(
    tx: Tx, ctx: Context, policy: LifecyclePolicy, new_schedules: Sequence[NewSchedule]
) -> None:
    """Check and save new schedules of a policy. Raises QuotaExceeded or Invalid."""
    existing = await schedules.list_by_policy(tx, policy.id)
    limits.check_total("schedules", [*existing, *new_schedules], limits.POLICY_SCHEDULES)
    await check_quotas(tx, ctx, {"snapshot_schedule_count": len(new_schedules)})
    for position, new_schedule in enumerate(new_schedules):
        with nest_field_errors("schedules", position):
            schedule = _make_schedule(ctx, policy, new_schedule)
        await schedules.add(tx, schedule.with_next_run(schedule.created_at) if policy.is_active else schedule)


async def pause_or_resume_schedules(tx: Tx, policy: LifecyclePolicy, now: int) -> None:
    """Stop the schedules of a policy, or let them wait for their next moments, by the status of the policy."""
    for schedule in await schedules.list_by_policy(tx, policy.id):
        await schedules.save(tx, schedule, schedule.with_next_run(now) if policy.is_active else schedule.paused())
        if not policy.is_active:
            await schedules.remove_due_snapshots(tx, schedule.id)


def _make_schedule(ctx: Context, policy: LifecyclePolicy, new_schedule: NewSchedule) -> Schedule:
    now = ctx.now()
    return Schedule(
        **asdict(new_schedule.require_valid(now)),
        id=ctx.new_id(),
        client_id=policy.client_id,
        project_id=policy.project_id,
        region_id=policy.region_id,
        user_id=ctx.caller.user_id,
        lifecycle_policy_id=policy.id,
        next_at=None,
        created_at=now,
    )
