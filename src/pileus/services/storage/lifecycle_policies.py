"""Create, update and delete lifecycle policies, and add volumes to them and remove them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from pileus.domain import limits
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import NewSchedule
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.storage.schedules import pause_or_resume_schedules, save_new_schedules
from pileus.store.account import clients, projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, volumes

POLICY, MEMBER = "lifecycle_policy", "lifecycle_policy_volume_member"
"""Groups of the audit log."""


async def create_lifecycle_policy(
    tx: Tx,
    ctx: Context,
    *,
    name: str,
    action: str,
    status: str,
    new_schedules: Sequence[NewSchedule],
    volume_ids: Iterable[str],
    audit_data: dict[str, Any],
) -> LifecyclePolicy:
    """Save a new policy with its schedules and volumes. Raises NotFound, Conflict, Invalid or QuotaExceeded."""
    await projects.require_active(tx, ctx.place)
    await clients.lock(tx, ctx.place.client_id)
    limits.check_waiting_count(
        "lifecycle policies", await lifecycle_policies.count(tx, ctx.place), limits.LIFECYCLE_POLICIES
    )
    now = ctx.now()
    policy = LifecyclePolicy(
        id=await lifecycle_policies.allocate_id(tx),
        **asdict(ctx.place),
        user_id=ctx.caller.user_id,
        name=name,
        action=action,
        status=status,
        created_at=now,
        updated_at=now,
    )
    await lifecycle_policies.add(tx, policy)
    await save_new_schedules(tx, ctx, policy, new_schedules)
    await _add_volumes(tx, ctx, policy, volume_ids)
    await write_audit_entry(tx, ctx, AuditEntry(POLICY, "create", policy.id, audit_data, name=policy.name))
    return policy


async def update_lifecycle_policy(tx: Tx, ctx: Context, policy_id: int, changes: Mapping[str, Any]) -> LifecyclePolicy:
    """Change fields of a policy; a new status pauses or resumes its schedules. Raises NotFound."""
    existing = await lifecycle_policies.get(tx, ctx.place, policy_id)
    policy = await lifecycle_policies.save(tx, existing, replace(existing, **changes, updated_at=ctx.now()))
    if existing.status != policy.status:
        await pause_or_resume_schedules(tx, policy, ctx.now())
    await write_audit_entry(tx, ctx, AuditEntry(POLICY, "update", policy_id, dict(changes), name=policy.name))
    return policy


async def delete_lifecycle_policy(tx: Tx, ctx: Context, policy_id: int) -> None:
    """Delete a policy and its schedules; their snapshots stay. Raises NotFound."""
    policy = await _lock_policy(tx, ctx, policy_id)
    for schedule in await schedules.list_by_policy(tx, policy_id):
        await schedules.remove(tx, schedule.id)
    await lifecycle_policies.remove(tx, policy_id)
    await write_audit_entry(tx, ctx, AuditEntry(POLICY, "delete", policy_id, name=policy.name))


async def add_volumes_to_policy(tx: Tx, ctx: Context, policy_id: int, volume_ids: Sequence[str]) -> LifecyclePolicy:
    """Add volumes of the same project and region to a policy. Raises NotFound."""
    policy = await _lock_policy(tx, ctx, policy_id)
    await _add_volumes(tx, ctx, policy, volume_ids)
    audit_data = {"volume_ids": list(volume_ids)}
    await write_audit_entry(tx, ctx, AuditEntry(MEMBER, "create", policy_id, audit_data, name=policy.name))
    return policy


async def remove_volumes_from_policy(
    tx: Tx, ctx: Context, policy_id: int, volume_ids: Sequence[str]
) -> LifecyclePolicy:
    """Remove volumes from a policy; ids that it does not have are ignored. Raises NotFound for the policy."""
    policy = await _lock_policy(tx, ctx, policy_id)
    await lifecycle_policies.remove_volumes(tx, policy.id, volume_ids)
    audit_data = {"volume_ids": list(volume_ids)}
    await write_audit_entry(tx, ctx, AuditEntry(MEMBER, "delete", policy_id, audit_data, name=policy.name))
    return policy


async def _lock_policy(tx: Tx, ctx: Context, policy_id: int) -> LifecyclePolicy:
    """Bump the revision, so that other requests that change the policy conflict. Raises NotFound or Conflict."""
    await projects.require_active(tx, ctx.place)
    return await lifecycle_policies.bump_revision(tx, await lifecycle_policies.get(tx, ctx.place, policy_id))


async def _add_volumes(tx: Tx, ctx: Context, policy: LifecyclePolicy, volume_ids: Iterable[str]) -> None:
    unique_ids = sorted(set(volume_ids))
    for volume_id in unique_ids:
        await volumes.get_for_use(tx, ctx.place, volume_id)
    await lifecycle_policies.add_volumes(tx, policy.id, unique_ids)
