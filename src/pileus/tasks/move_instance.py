"""start_vm, stop_vm, soft_reboot_vm, hard_reboot_vm, suspend_vm, resume_vm: bring a machine to another state."""

from pileus.domain.instances import MOVES, Action, Status
from pileus.store import instances
from pileus.store.database import Tx
from pileus.tasks.machines import held, machine_of
from pileus.tasks.operation import Created, Do, Operation, Step, Work


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
    """Bring the machine back to the status that it had."""
    before = work.task.args["before"]
    if before == Status.ACTIVE:
        await work.driver.ensure_running(await machine_of(work))
    elif before == Status.SHUTOFF:
        await work.driver.ensure_stopped(work.task.args["instance_id"])
    elif before == Status.SUSPENDED:
        await work.driver.ensure_suspended(work.task.args["instance_id"])


def _move(action: Action, name: str, do: Do) -> Operation:
    async def done(tx: Tx, work: Work) -> Created | None:
        instance = await held(tx, work)
        arrived = instance.standing(MOVES[action].arrives, work.now()).released()
        await instances.save(tx, instance, arrived)
        return None

    async def failed(tx: Tx, work: Work) -> None:
        instance = await held(tx, work)
        await instances.save(tx, instance, instance.standing(Status(work.task.args["before"]), work.now()).released())

    return Operation(MOVES[action].task_type, (Step(name, do, undo=_back),), done, failed)


MOVE_INSTANCE = (
    _move(Action.START, "power on", _run),
    _move(Action.STOP, "power off", _stop),
    _move(Action.REBOOT, "restart", _restart),
    _move(Action.REBOOT_HARD, "restart", _restart_hard),
    _move(Action.SUSPEND, "suspend", _suspend),
    _move(Action.RESUME, "resume", _run),
)
