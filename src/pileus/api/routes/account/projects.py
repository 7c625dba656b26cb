"""Projects: what a tenant keeps apart."""

from dataclasses import replace
from typing import Literal

from litestar import delete, get, patch, post
from litestar.params import FromQuery, JSONBody

from pileus.api.auth import ADMINISTER, READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.projects import CreateProject, ProjectView, UpdateProject
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account.projects import Project
from pileus.domain.places import Place
from pileus.services.account.request_quotas import check_global_quotas
from pileus.store import counters, project_contents
from pileus.store.account import projects
from pileus.store.database import Tx

ALL = "/cloud/v1/projects"
ONE = f"{ALL}/{{project_id:int}}"
Order = Literal["created_at.asc", "created_at.desc", "name.asc", "name.desc"]


@get(ALL, opt=READ, tags=["Projects"])
async def list_projects(  # each is a parameter of the operation
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    include_deleted: FromQuery[bool] = False,  # a parameter of the operation
    order_by: FromQuery[Order] = "created_at.desc",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ProjectView]:
    """List projects; `name` finds the one that is called so, and `include_deleted` adds those that were."""
    async with ctx.db.scan() as tx:
        count, found = await projects.page(
            tx,
            ctx.caller.client_id,
            name=name,
            deleted=include_deleted,
            order_by=order_by,
            limit=limit,
            offset=offset,
        )
    return Page(count=count, results=[ProjectView.of(project) for project in found])


@post(ALL, opt=ADMINISTER, tags=["Projects"], status_code=201)
async def create_project(ctx: Ctx, data: JSONBody[CreateProject]) -> ProjectView:
    """Make a project; no other project of yours may have its name."""
    client_id = ctx.caller.client_id

    async def write(tx: Tx) -> ProjectView:
        await projects.check_name_free(tx, client_id, data.name)
        await check_global_quotas(tx, ctx, {"project_count": 1})
        made = Project(
            id=await counters.next_value(tx, "projects"),
            client_id=client_id,
            name=data.name,
            description=data.description,
            created_at=ctx.now(),
        )
        there = replace(ctx, place=Place(client_id, made.id, 0))
        await there.audit(tx, "project", "create", made.id, name=made.name)
        return ProjectView.of(await projects.add(tx, made))

    return await ctx.db.write(write)


@get(ONE, opt=READ, tags=["Projects"])
async def get_project(ctx: Ctx) -> ProjectView:
    """Show a project."""
    async with ctx.db.read() as tx:
        return ProjectView.of(await projects.get(tx, ctx.caller.client_id, ctx.place.project_id))


@patch(ONE, opt=ADMINISTER, tags=["Projects"])
async def update_project(ctx: Ctx, data: JSONBody[UpdateProject]) -> ProjectView:
    """Give a project another name or description; what is not named stays."""
    change = data.patch()

    async def write(tx: Tx) -> ProjectView:
        before = await projects.get(tx, ctx.caller.client_id, ctx.place.project_id)
        after = before.patched(change)
        if after.name != before.name:
            await projects.check_name_free(tx, before.client_id, after.name)
        await ctx.audit(tx, "project", "update", before.id, data=dict(change), name=after.name)
        return ProjectView.of(await projects.save(tx, before, after))

    return await ctx.db.write(write)


@delete(ONE, opt=ADMINISTER, tags=["Projects"], status_code=200)
async def delete_project(ctx: Ctx) -> TaskIds:
    """Delete a project with everything in it: servers, volumes, networks, addresses, keys.

    The default project cannot be deleted. While a task works on something in the project the answer is 409.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await projects.get(tx, ctx.caller.client_id, ctx.place.project_id)
        await projects.save(tx, before, before.deleting(task_id))
        await project_contents.lock(tx, before.id, task_id)
        await ctx.start_task(tx, "delete_project", task_id, {"project_id": before.id})
        await ctx.audit(tx, "project", "delete", before.id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [list_projects, create_project, get_project, update_project, delete_project]
