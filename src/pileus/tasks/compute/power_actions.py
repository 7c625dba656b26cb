"""Start, stop, reboot, suspend and resume instances; a failure restores the previous status."""

from collections.abc import Mapping

from pileus.domain.compute.instances import BAREMETAL_TASK_TYPES, POWER_TRANSITIONS, PowerAction, Status
from pileus.domain.compute.task_types import PowerActionArgs, find_power_action_task_type
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import load_machine_spec
from pileus.tasks.network import ddos_profiles
from pileus.tasks.operation import Operation, Step, TaskContext


async def _start(ctx: TaskContext[PowerActionArgs]) -> None:
    await ctx.driver.ensure_running_machine(await load_machine_spec(ctx, ctx.args.instance_id))


async def _stop(ctx: TaskContext[PowerActionArgs]) -> None:
    await ctx.driver.ensure_stopped_machine(ctx.args.instance_id)


async def _suspend(ctx: TaskContext[PowerActionArgs]) -> None:
    await ctx.driver.ensure_suspended_machine(ctx.args.instance_id)


async def _reboot(ctx: TaskContext[PowerActionArgs]) -> None:
    await ctx.driver.ensure_restarted_machine(
        await load_machine_spec(ctx, ctx.args.instance_id), ctx.task.id, hard=False
    )


async def _reboot_hard(ctx: TaskContext[PowerActionArgs]) -> None:
    await ctx.driver.ensure_restarted_machine(
        await load_machine_spec(ctx, ctx.args.instance_id), ctx.task.id, hard=True
    )


async def _restore_power_state(ctx: TaskContext[PowerActionArgs]) -> None:
    """Bring the machine back to its previous state, but make none if it is gone.

    No driver can restore ERROR, the reconciler observes it.
    """
    if ctx.args.before == Status.ACTIVE:
        await ctx.driver.ensure_started_machine(await load_machine_spec(ctx, ctx.args.instance_id))
    elif ctx.args.before == Status.SHUTOFF:
        await _stop(ctx)
    elif ctx.args.before == Status.SUSPENDED:
        await _suspend(ctx)


async def _save_previous_status(tx: Tx, ctx: TaskContext[PowerActionArgs]) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    restored = instance.with_status(Status(ctx.args.before), ctx.now(), ctx.args.vm_state)
    await instances.save(tx, instance, restored.unlocked())
    await ddos_profiles.unlock_profiles_as_inactive(tx, ctx)


def _power_operation(task_type: str, action: PowerAction) -> Operation[PowerActionArgs]:
    status = POWER_TRANSITIONS[action].final_status

    async def save_status(tx: Tx, ctx: TaskContext[PowerActionArgs]) -> None:
        instance = await instances.require(tx, ctx.args.instance_id)
        await instances.save(tx, instance, instance.with_status(status, ctx.now()).unlocked())
        await ddos_profiles.unlock_profiles(tx, ctx)

    return Operation(
        find_power_action_task_type(task_type), steps=_STEPS[action], done=save_status, failed=_save_previous_status
    )


_STEPS: Mapping[PowerAction, tuple[Step[PowerActionArgs], ...]] = {
    PowerAction.START: (
        Step("power on", _start, undo=_restore_power_state),
        Step("apply DDoS protection", ddos_profiles.protect_addresses, undo=ddos_profiles.deactivate_protection),
    ),
    PowerAction.STOP: (Step("power off", _stop, undo=_restore_power_state),),
    PowerAction.REBOOT: (Step("reboot", _reboot, undo=_restore_power_state),),
    PowerAction.REBOOT_HARD: (Step("reboot", _reboot_hard, undo=_restore_power_state),),
    PowerAction.SUSPEND: (Step("suspend", _suspend, undo=_restore_power_state),),
    PowerAction.RESUME: (Step("resume", _start, undo=_restore_power_state),),
}
OPERATIONS = (
    *(_power_operation(transition.task_type, action) for action, transition in POWER_TRANSITIONS.items()),
    *(_power_operation(task_type, action) for action, task_type in BAREMETAL_TASK_TYPES.items()),
)
