"""Say which task has locked a record that a request needs."""

from pileus.domain.context import Context
from pileus.domain.errors import Locked
from pileus.domain.locks import locked_by
from pileus.store import tasks
from pileus.store.database import Tx


async def describe_lock(tx: Tx, ctx: Context, problem: Locked) -> Locked:
    """Add the type and the time of the task to the error, unless the task belongs to another tenant."""
    task = await tasks.find(tx, ctx.caller.client_id, problem.task_id)
    return problem if task is None else locked_by(problem, task)
