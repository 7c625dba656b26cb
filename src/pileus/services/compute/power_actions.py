"""Start, stop, reboot, suspend and resume instances."""

from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instances import Instance, PowerAction
from pileus.domain.compute.task_types import PowerActionArgs, find_power_action_task_type
from pileus.domain.context import Context
from pileus.domain.tasks import Task
from pileus.services.compute.instances import GetInstance
from pileus.services.tasks import start_task
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles


async def start_power_action(
    tx: Tx,
    ctx: Context,
    instance_id: str,
    action: PowerAction,
    task_id: str,
    *,
    activate_profiles: bool = False,
    get: GetInstance = instances.get,
) -> Task:
    """Lock the instance and start the task of a power action; a start can activate its DDoS profiles.

    Raises NotFound, or Conflict if the status of the instance does not allow the action.
    """
    existing = await get(tx, ctx.place, instance_id)
    await instances.save(tx, existing, existing.starting_power_action(action, task_id, ctx.now()))
    activates = activate_profiles and action is PowerAction.START
    args = PowerActionArgs(
        instance_id=instance_id,
        before=existing.status,
        vm_state=existing.vm_state,
        profiles=await _activate_profiles(tx, existing, task_id) if activates else [],
    )
    task_type = find_power_action_task_type(existing.power_action_task_type(action))
    entry = AuditEntry("instance", action.value, instance_id)
    return await start_task(tx, ctx, task_id, task_type, args, data={"instance_id": instance_id}, entry=entry)


async def _activate_profiles(tx: Tx, instance: Instance, task_id: str) -> list[int]:
    """Lock and activate the instance's inactive DDoS profiles, but those that another task has locked."""
    profiles = await ddos_profiles.list_by_instance(tx, instance.id)
    inactive = [profile for profile in profiles if not profile.active and not profile.task_id]
    for profile in inactive:
        await ddos_profiles.save(tx, profile, replace(profile.locked(task_id), active=True))
    return [profile.id for profile in inactive]
