"""start_vm, stop_vm, soft_reboot_vm, hard_reboot_vm, suspend_vm, resume_vm, and bare metal's own: change a state.

Arguments: `instance_id`; `before` and `vm_state`, how it stood; for a start `profiles`, the protection against DDoS
that is off and to be turned on.
"""

from collections.abc import Mapping

from pileus.domain.compute.instances import METAL_TASKS, MOVES, Action, Status
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import held, machine_of
from pileus.tasks.network import protection
from pileus.tasks.operation import Created, Operation, Step, Work


async def _run(work: Work) -> None:
    await work.driver.ensure_running(await machine_of(work))


async def _stop(work: Work) -> None:
    await work.driver.ensure_stopped(work.task.args["instance_id"])


async def _suspend(work: Work) -> None:
    await work.driver.ensure_suspended(work.task.args["instance_id"])


async def _restart(work: Work) -> None:
    await work.driver.ensure_restarted(await machine_of(work), work.task.id, hard=False)


async def _restart_hard(work: Work) -> None:
    await work.driver.ensure_restarted(await machine_of(work), work.task.id, hard=True)


async def _back(work: Work) -> None:
    """Bring the machine back to how it stood; what no driver can bring about is left for the reconciler to tell."""
    before = work.task.args["before"]
    if before == Status.ACTIVE:
        await work.driver.ensure_running(await machine_of(work))
    elif before == Status.SHUTOFF:
        await work.driver.ensure_stopped(work.task.args["instance_id"])
    elif before == Status.SUSPENDED:
        await work.driver.ensure_suspended(work.task.args["instance_id"])


async def _failed(tx: Tx, work: Work) -> None:
    instance, args = await held(tx, work), work.task.args
    stood = instance.standing(Status(args["before"]), work.now(), args["vm_state"])
    await instances.save(tx, instance, stood.released())
    await protection.settle_off(tx, work)


def _move(task_type: str, action: Action) -> Operation:
    async def done(tx: Tx, work: Work) -> Created | None:
        instance = await held(tx, work)
        await instances.save(tx, instance, instance.standing(MOVES[action].arrives, work.now()).released())
        await protection.settle(tx, work)
        return None

    return Operation(task_type, STEPS[action], done, _failed)


STEPS: Mapping[Action, tuple[Step, ...]] = {
    Action.START: (Step("power on", _run, undo=_back), Step("protect", protection.protect, undo=protection.turn_off)),
    Action.STOP: (Step("power off", _stop, undo=_back),),
    Action.REBOOT: (Step("restart", _restart, undo=_back),),
    Action.REBOOT_HARD: (Step("restart", _restart_hard, undo=_back),),
    Action.SUSPEND: (Step("suspend", _suspend, undo=_back),),
    Action.RESUME: (Step("resume", _run, undo=_back),),
}
MOVE_INSTANCE = (
    *(_move(move.task_type, action) for action, move in MOVES.items()),
    *(_move(task_type, action) for action, task_type in METAL_TASKS.items()),
)
