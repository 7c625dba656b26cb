"""Start tasks and acknowledge them."""

from typing import Any, TypeVar

from msgspec import Struct, to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.tasks import SlotClass, Task, TaskType, check_task_limit, new_task
from pileus.services.account.user_actions import write_audit_entry
from pileus.store import tasks
from pileus.store.account import clients
from pileus.store.database import Tx

A = TypeVar("A", bound=Struct)
SPARE_TASKS = 100
"""Closer to the limit of unfinished tasks, the requests of a tenant wait for each other. Databases do not work on so
many at the same moment."""


async def start_task(
    tx: Tx,
    ctx: Context,
    task_id: str,
    task_type: TaskType[A],
    args: A,
    *,
    data: dict[str, Any] | None = None,
    entry: AuditEntry | None = None,
    slot_class: SlotClass | None = None,
) -> Task:
    """Write the task, and `entry` to the audit log. Clients see `data`; without it they see the arguments.

    The task waits for a slot of `slot_class`; without it for one of its type. The engine is woken by whoever commits
    the transaction (`RequestContext.submit_task`). The task goes to `ctx.unsaved_tasks`, if there are any: then
    somebody else writes it. Raises TooManyRequests if the tenant has too many unfinished tasks.
    """
    task = new_task(
        task_id,
        task_type,
        ctx.caller,
        ctx.place,
        request_id=ctx.request_id,
        now=ctx.now(),
        args=to_builtins(args),
        data=data,
        slot_class=slot_class,
    )
    if entry is not None:
        await write_audit_entry(tx, ctx, entry, task_id=task_id)
    if ctx.unsaved_tasks is not None:
        ctx.unsaved_tasks.append(task)
        return task
    return await save_new_task(tx, ctx, task)


async def save_new_task(tx: Tx, ctx: Context, task: Task) -> Task:
    """Write a task that has to be performed. Raises TooManyRequests if the tenant has too many unfinished tasks."""
    await _check_task_limit(tx, ctx)
    return await tasks.add(tx, task)


async def acknowledge_task(tx: Tx, ctx: Context, task_id: str) -> Task:
    """Record that the caller has seen how a task ended. Raises NotFound, or Conflict while the task runs."""
    task = await tasks.get(tx, ctx.caller.client_id, task_id)
    return await tasks.acknowledge(tx, task, task.acknowledged(ctx.caller.user_id, ctx.now()))


async def acknowledge_tasks(
    tx: Tx, ctx: Context, *, project_id: int | None, region_id: int | None, task_ids: list[str] | None = None
) -> None:
    """Acknowledge the tasks that have ended, limited to a project, a region or given ids; None does not limit."""
    if task_ids == []:
        return
    task_filter = tasks.TaskFilter(
        ids=task_ids,
        project_ids=None if project_id is None else [project_id],
        region_ids=None if region_id is None else [region_id],
    )
    caller = ctx.caller
    await tasks.acknowledge_all(tx, caller.client_id, task_filter, user_id=caller.user_id, now=ctx.now())


async def _check_task_limit(tx: Tx, ctx: Context) -> None:
    """Check the limit of unfinished tasks. Raises TooManyRequests."""
    client_id = ctx.place.client_id
    unfinished = await tasks.count_unfinished_of_tenant(tx, client_id)
    if unfinished + SPARE_TASKS > ctx.task_limit:
        await clients.lock(tx, client_id)
        unfinished = await tasks.count_unfinished_of_tenant(tx, client_id)
    check_task_limit(unfinished, ctx.task_limit)
