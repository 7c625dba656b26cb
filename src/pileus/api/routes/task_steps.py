"""The steps of a task, for those who want to see what it does. They are not part of the public API."""

from litestar import get
from litestar.params import FromPath
from msgspec import Struct

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.domain.tasks import Task, TaskState
from pileus.store import tasks
from pileus.tasks.operations import OPERATIONS


class TaskStepView(Struct, kw_only=True):
    """A step of a task: `waiting`, `running`, `done`, or `undone` after a failure."""

    name: str
    state: str


class TaskStepsView(Struct, kw_only=True):
    """What a task has done so far. `held_by` is the injected fault that holds it, if one does."""

    steps: list[TaskStepView]
    is_undoing: bool
    attempts: int
    held_by: str | None


@get("/_pileus/tasks/{task_id:str}/steps", opt=READ, tags=["Tasks"])
async def list_task_steps(ctx: Ctx, task_id: FromPath[str]) -> TaskStepsView:
    """List the steps of a task, and how far it is. Short steps may be done although they are shown as running."""
    async with ctx.db.read() as tx:
        task = await tasks.get(tx, ctx.caller.client_id, task_id)
    operation = OPERATIONS.get(task.task_type)
    names = [step.name for step in operation.steps] if operation else []
    steps = [TaskStepView(name=name, state=_step_state(task, number)) for number, name in enumerate(names)]
    return TaskStepsView(steps=steps, is_undoing=task.undoing, attempts=task.attempts, held_by=task.held_by)


def _step_state(task: Task, number: int) -> str:
    """Return where a step of a task stands; while the task is undoing, `task.step` steps are still to be undone."""
    if task.state == TaskState.FINISHED or (number < task.step and task.state != TaskState.ERROR):
        return "done"
    if task.state == TaskState.ERROR or task.undoing:
        return "undone"
    return "running" if task.state == TaskState.RUNNING and number == task.step else "waiting"


ROUTES = [list_task_steps]
