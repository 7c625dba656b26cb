"""Tasks: list, read and acknowledge them."""

from typing import Annotated, Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.tag_filters import LegacyQuery
from pileus.api.wire.paging import Page
from pileus.api.wire.task_requests import AcknowledgeTasks
from pileus.api.wire.tasks import TaskView
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.domain.tasks import TaskState
from pileus.services import tasks as task_service
from pileus.store import tasks
from pileus.store.account import projects
from pileus.store.loop_turns import build_in_turns
from pileus.store.tasks import TaskFilter

ALL = "/cloud/v1/tasks"
DEFAULT_LIMIT = 10
Direction = Literal["asc", "desc"]
ACTIVE_STATES = (TaskState.NEW, TaskState.RUNNING)


@get(ALL, opt=READ, tags=["Tasks"])
async def list_tasks(
    ctx: Ctx,
    states: Annotated[list[TaskState] | None, QueryParameter(name="state")] = None,
    task_type: FromQuery[str | None] = None,
    project_id: FromQuery[list[Id] | None] = None,
    region_id: FromQuery[list[Id] | None] = None,
    is_acknowledged: FromQuery[bool | None] = None,
    from_timestamp: FromQuery[str | None] = None,
    to_timestamp: FromQuery[str | None] = None,
    order_by: FromQuery[Direction | None] = None,
    sorting: LegacyQuery[Direction | None] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> Page[TaskView]:
    """List tasks, the latest first.

    `from_timestamp` and `to_timestamp` limit the time of creation, inclusive. `sorting` is an older name of `order_by`.
    """
    task_filter = TaskFilter(
        states=states,
        task_types=None if task_type is None else [task_type],
        project_ids=project_id,
        region_ids=region_id,
        acknowledged=is_acknowledged,
        since=parse_range_start("from_timestamp", from_timestamp),
        until=parse_range_end("to_timestamp", to_timestamp),
    )
    return await _page(ctx, task_filter, limit, offset, order_by or sorting or "desc")


@get("/cloud/v1/tasks/{project_id:int}/{region_id:int}/active", opt=READ, tags=["Tasks"])
async def list_active_tasks(
    ctx: Ctx, task_type: FromQuery[list[str] | None] = None, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0
) -> Page[TaskView]:
    """List the tasks that run or wait to run in a project and region, the latest first."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    task_filter = TaskFilter(
        states=ACTIVE_STATES,
        task_types=task_type,
        project_ids=[ctx.place.project_id],
        region_ids=[ctx.place.region_id],
    )
    return await _page(ctx, task_filter, limit, offset, "desc")


@get(f"{ALL}/{{task_id:str}}", opt=READ, tags=["Tasks"])
async def get_task(ctx: Ctx, task_id: FromPath[str]) -> TaskView:
    """Get a task. Once it is finished, `created_resources` contains the ids of the new resources.

    If the task is not finished, the answer waits a short time for its end. So a client that polls sees the end at once.
    """
    return TaskView.of(await ctx.app.long_polls.read_task(ctx.db, ctx.caller.client_id, task_id))


@post(f"{ALL}/{{task_id:str}}/acknowledge", opt=WRITE, tags=["Tasks"], status_code=200)
async def acknowledge_task(ctx: Ctx, task_id: FromPath[str]) -> TaskView:
    """Acknowledge a task that has ended. This has no effect on the task. The answer is 409 while the task runs."""
    return TaskView.of(await ctx.write(lambda tx: task_service.acknowledge_task(tx, ctx, task_id)))


@post(f"{ALL}/acknowledge_all", opt=WRITE, tags=["Tasks"], status_code=204)
async def acknowledge_all_tasks(
    ctx: Ctx, project_id: FromQuery[Id | None] = None, region_id: FromQuery[Id | None] = None
) -> None:
    """Acknowledge all tasks that have ended, optionally only those of a project or a region."""
    await ctx.write(lambda tx: task_service.acknowledge_tasks(tx, ctx, project_id=project_id, region_id=region_id))


@post(f"{ALL}/acknowledge", opt=WRITE, tags=["Tasks"], status_code=204, deprecated=True)
async def acknowledge_tasks(
    ctx: Ctx,
    data: JSONBody[AcknowledgeTasks | None] = None,
    project_id: FromQuery[Id | None] = None,
    region_id: FromQuery[Id | None] = None,
) -> None:
    """Acknowledge the given tasks if they have ended, or all tasks. Deprecated: use acknowledge_all."""
    task_ids = data.task_ids if data else None
    await ctx.write(
        lambda tx: task_service.acknowledge_tasks(
            tx, ctx, project_id=project_id, region_id=region_id, task_ids=task_ids
        )
    )


async def _page(
    ctx: RequestContext, task_filter: TaskFilter, limit: int, offset: int, direction: str
) -> Page[TaskView]:
    async with ctx.db.scan() as tx:
        count, page = await tasks.page(
            tx, ctx.caller.client_id, task_filter, limit=limit, offset=offset, direction=direction
        )
    return Page(count=count, results=await build_in_turns(TaskView.of(task) for task in page))


ROUTES = [
    list_tasks,
    list_active_tasks,
    get_task,
    acknowledge_task,
    acknowledge_all_tasks,
    acknowledge_tasks,
]
