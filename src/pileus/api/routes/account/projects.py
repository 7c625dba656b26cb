"""Projects: list, create, read, update and delete them."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.params import FromQuery, JSONBody

from pileus.api.authorization import ADMINISTER, READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.project_requests import CreateProject, UpdateProject
from pileus.api.wire.account.projects import ProjectView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.account import projects as project_service
from pileus.store.account import projects
from pileus.store.loop_turns import build_in_turns

ALL = "/cloud/v1/projects"
ONE = f"{ALL}/{{project_id:int}}"
Order = Literal["created_at.asc", "created_at.desc", "name.asc", "name.desc"]


@get(ALL, opt=READ, tags=["Projects"])
async def list_projects(
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    include_deleted: FromQuery[bool] = False,
    order_by: FromQuery[Order] = "created_at.desc",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ProjectView]:
    """List projects. `name` matches the whole name, regardless of case; `include_deleted` adds deleted projects."""
    async with ctx.db.scan() as tx:
        count, page = await projects.page(
            tx,
            ctx.caller.client_id,
            name=name,
            deleted=include_deleted,
            order_by=order_by,
            limit=limit,
            offset=offset,
        )
    return Page(count=count, results=await build_in_turns(ProjectView.of(project) for project in page))


@post(ALL, opt=ADMINISTER, tags=["Projects"], status_code=201)
async def create_project(ctx: Ctx, data: JSONBody[CreateProject]) -> ProjectView:
    """Create a project. Its name must be unique among your projects."""
    project = await ctx.write(lambda tx: project_service.create_project(tx, ctx, data.name, data.description))
    return ProjectView.of(project)


@get(ONE, opt=READ, tags=["Projects"])
async def get_project(ctx: Ctx) -> ProjectView:
    """Get a project."""
    async with ctx.db.read() as tx:
        return ProjectView.of(await projects.get(tx, ctx.caller.client_id, ctx.place.project_id))


@patch(ONE, opt=ADMINISTER, tags=["Projects"])
async def update_project(ctx: Ctx, data: JSONBody[UpdateProject]) -> ProjectView:
    """Change the name or the description of a project. Absent fields do not change."""
    return ProjectView.of(await ctx.write(lambda tx: project_service.update_project(tx, ctx, data.to_patch())))


@delete(ONE, opt=ADMINISTER, tags=["Projects"], status_code=200)
async def delete_project(ctx: Ctx) -> TaskIds:
    """Delete a project with everything in it: instances, volumes, networks, addresses and keys.

    The default project cannot be deleted. The answer is 409 while a task runs in the project.
    """
    return await ctx.submit_task(lambda tx, task_id: project_service.delete_project(tx, ctx, ctx.app.drivers, task_id))


ROUTES = [list_projects, create_project, get_project, update_project, delete_project]
