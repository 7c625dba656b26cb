"""Start a task: write its row and its entry in the audit log, in the transaction that locks the records."""

from typing import Any, TypeVar

from msgspec import Struct, to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.tasks import Task, TaskType, new_task
from pileus.services.account.user_actions import audit
from pileus.store import tasks
from pileus.store.database import Tx

A = TypeVar("A", bound=Struct)


async def start_task(  # the type fixes the arguments; the rest has defaults
    tx: Tx,
    ctx: Context,
    task_id: str,
    task_type: TaskType[A],
    args: A,
    *,
    data: dict[str, Any] | None = None,
    entry: AuditEntry | None = None,
) -> Task:
    """Write the task, and `entry` to the audit log. Clients see `data`; without it they see the arguments.

    The engine is woken by whoever commits the transaction (`RequestContext.submit`).
    """
    task = new_task(
        task_id,
        task_type.name,
        ctx.caller,
        ctx.place,
        request_id=ctx.request_id,
        now=ctx.now(),
        args=to_builtins(args),
        data=data,
    )
    if entry is not None:
        await audit(tx, ctx, entry, task_id=task_id)
    return await tasks.add(tx, task)
