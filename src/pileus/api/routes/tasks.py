"""Tasks: how long operations are getting on, and what has been taken note of."""

from typing import Annotated, Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import AcknowledgeTasks, TaskView
from pileus.api.wire.times import earliest, latest
from pileus.domain.tasks import TaskState
from pileus.store import tasks
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.tasks import TaskFilter

ALL = "/cloud/v1/tasks"
Direction = Literal["asc", "desc"]
UNDER_WAY = (TaskState.NEW, TaskState.RUNNING)


@get(ALL, opt=READ, tags=["Tasks"])
async def list_tasks(  # each is a parameter of the operation
    ctx: Ctx,
    states: Annotated[list[TaskState] | None, QueryParameter(name="state")] = None,
    task_type: FromQuery[str | None] = None,
    project_id: FromQuery[list[Id] | None] = None,
    region_id: FromQuery[list[Id] | None] = None,
    is_acknowledged: FromQuery[bool | None] = None,
    from_timestamp: FromQuery[str | None] = None,
    to_timestamp: FromQuery[str | None] = None,
    order_by: FromQuery[Direction | None] = None,
    sorting: FromQuery[Direction | None] = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> Page[TaskView]:
    """List tasks, the latest first; times are those of their creation, inclusive. `sorting` is an older `order_by`."""
    wanted = TaskFilter(
        states=states,
        task_types=None if task_type is None else [task_type],
        project_ids=project_id,
        region_ids=region_id,
        acknowledged=is_acknowledged,
        since=earliest("from_timestamp", from_timestamp),
        until=latest("to_timestamp", to_timestamp),
    )
    return await _page(ctx, wanted, limit, offset, order_by or sorting or "desc")


@get("/cloud/v1/tasks/{project_id:int}/{region_id:int}/active", opt=READ, tags=["Tasks"])
async def list_active_tasks(
    ctx: Ctx, task_type: FromQuery[list[str] | None] = None, limit: Limit = 10, offset: Offset = 0
) -> Page[TaskView]:
    """List what is under way in a project and region, the latest first."""
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
    wanted = TaskFilter(
        states=UNDER_WAY,
        task_types=task_type,
        project_ids=[ctx.place.project_id],
        region_ids=[ctx.place.region_id],
    )
    return await _page(ctx, wanted, limit, offset, "desc")


@get(f"{ALL}/{{task_id:str}}", opt=READ, tags=["Tasks"])
async def get_task(ctx: Ctx, task_id: FromPath[str]) -> TaskView:
    """Show a task; when it is finished, `created_resources` names what it has made."""
    async with ctx.db.read() as tx:
        return TaskView.of(await tasks.get(tx, ctx.caller.client_id, task_id))


@post(f"{ALL}/{{task_id:str}}/acknowledge", opt=WRITE, tags=["Tasks"], status_code=200)
async def acknowledge_task(ctx: Ctx, task_id: FromPath[str]) -> TaskView:
    """Take note of how a task has ended. Nothing waits for that; while it is under way the answer is 409."""

    async def write(tx: Tx) -> TaskView:
        task = await tasks.get(tx, ctx.caller.client_id, task_id)
        noted = task.acknowledged(ctx.caller.user_id, ctx.now())
        return TaskView.of(await tasks.acknowledge(tx, task, noted))

    return await ctx.db.write(write)


@post(f"{ALL}/acknowledge_all", opt=WRITE, tags=["Tasks"], status_code=204)
async def acknowledge_all_tasks(
    ctx: Ctx, project_id: FromQuery[Id | None] = None, region_id: FromQuery[Id | None] = None
) -> None:
    """Take note of all tasks that have ended, or of those of a project or a region."""
    await _acknowledge(ctx, project_id, region_id)


@post(f"{ALL}/acknowledge", opt=WRITE, tags=["Tasks"], status_code=204, deprecated=True)
async def acknowledge_tasks(
    ctx: Ctx,
    data: JSONBody[AcknowledgeTasks | None] = None,
    project_id: FromQuery[Id | None] = None,
    region_id: FromQuery[Id | None] = None,
) -> None:
    """Take note of the tasks named, as far as they have ended, or of all. Use acknowledge_all instead."""
    await _acknowledge(ctx, project_id, region_id, data.task_ids if data else None)


async def _page(ctx: RequestContext, wanted: TaskFilter, limit: int, offset: int, direction: str) -> Page[TaskView]:
    async with ctx.db.scan() as tx:
        count, found = await tasks.page(
            tx, ctx.caller.client_id, wanted, limit=limit, offset=offset, direction=direction
        )
    return Page(count=count, results=[TaskView.of(task) for task in found])


async def _acknowledge(
    ctx: RequestContext, project_id: int | None, region_id: int | None, ids: list[str] | None = None
) -> None:
    if ids == []:
        return
    caller, now = ctx.caller, ctx.now()
    wanted = TaskFilter(
        ids=ids,
        project_ids=None if project_id is None else [project_id],
        region_ids=None if region_id is None else [region_id],
    )
    await ctx.db.write(lambda tx: tasks.acknowledge_all(tx, caller.client_id, wanted, user_id=caller.user_id, now=now))


ROUTES = [
    list_tasks,
    list_active_tasks,
    get_task,
    acknowledge_task,
    acknowledge_all_tasks,
    acknowledge_tasks,
]
