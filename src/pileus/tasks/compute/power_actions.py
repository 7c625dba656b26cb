"""start_vm, stop_vm, soft_reboot_vm, hard_reboot_vm, suspend_vm, resume_vm, and bare metal's own: change a state.

Arguments: `instance_id`; `before` and `vm_state`, how it stood; for a start `profiles`, the protection against DDoS
that is off and to be turned on.
"""

from collections.abc import Mapping

from pileus.domain.compute.instances import BAREMETAL_TASK_TYPES, POWER_TRANSITIONS, Action, Status
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import instance_of, machine_of
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _run(work: TaskContext) -> None:
    await work.driver.ensure_running(await machine_of(work))


async def _stop(work: TaskContext) -> None:
    await work.driver.ensure_stopped(work.task.args["instance_id"])


async def _suspend(work: TaskContext) -> None:
    await work.driver.ensure_suspended(work.task.args["instance_id"])


async def _restart(work: TaskContext) -> None:
    await work.driver.ensure_restarted(await machine_of(work), work.task.id, hard=False)


async def _restart_hard(work: TaskContext) -> None:
    await work.driver.ensure_restarted(await machine_of(work), work.task.id, hard=True)


async def _back(work: TaskContext) -> None:
    """Bring the machine back to how it stood; what no driver can bring about is left for the reconciler to tell."""
    before = work.task.args["before"]
    if before == Status.ACTIVE:
        await work.driver.ensure_running(await machine_of(work))
    elif before == Status.SHUTOFF:
        await work.driver.ensure_stopped(work.task.args["instance_id"])
    elif before == Status.SUSPENDED:
        await work.driver.ensure_suspended(work.task.args["instance_id"])


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance, args = await instance_of(tx, work), work.task.args
    stood = instance.with_status(Status(args["before"]), work.now(), args["vm_state"])
    await instances.save(tx, instance, stood.unlocked())
    await ddos_profile_sync.unlock_profiles_inactive(tx, work)


def _move(task_type: str, action: Action) -> Operation:
    async def done(tx: Tx, work: TaskContext) -> Created | None:
        instance = await instance_of(tx, work)
        await instances.save(
            tx, instance, instance.with_status(POWER_TRANSITIONS[action].arrives, work.now()).unlocked()
        )
        await ddos_profile_sync.unlock_profiles(tx, work)
        return None

    return Operation(task_type, STEPS[action], done, _failed)


STEPS: Mapping[Action, tuple[Step, ...]] = {
    Action.START: (
        Step("power on", _run, undo=_back),
        Step("protect", ddos_profile_sync.protect, undo=ddos_profile_sync.deactivate),
    ),
    Action.STOP: (Step("power off", _stop, undo=_back),),
    Action.REBOOT: (Step("restart", _restart, undo=_back),),
    Action.REBOOT_HARD: (Step("restart", _restart_hard, undo=_back),),
    Action.SUSPEND: (Step("suspend", _suspend, undo=_back),),
    Action.RESUME: (Step("resume", _run, undo=_back),),
}
POWER_ACTIONS = (
    *(_move(move.task_type, action) for action, move in POWER_TRANSITIONS.items()),
    *(_move(task_type, action) for action, task_type in BAREMETAL_TASK_TYPES.items()),
)
