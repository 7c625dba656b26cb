"""Create, update and delete projects."""

from dataclasses import replace

from pileus.domain.account.projects import Project, ProjectPatch
from pileus.domain.account.task_types import DELETE_PROJECT, DeleteProjectArgs
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.places import Place
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_global_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tasks import start_task
from pileus.store import counters, project_contents
from pileus.store.account import clients, projects
from pileus.store.database import Tx


async def create_project(tx: Tx, ctx: Context, name: str, description: str | None) -> Project:
    """Save a new project. Raises Conflict if the tenant has one of that name, or QuotaExceeded."""
    client_id = ctx.caller.client_id
    await projects.check_name_free(tx, client_id, name)
    await check_global_quotas(tx, ctx, {"project_count": 1})
    # Its row is locked by now: an operator may have deleted the tenant before.
    await clients.get(tx, client_id)
    project = Project(
        id=await counters.increment(tx, "projects"),
        client_id=client_id,
        name=name,
        description=description,
        created_at=ctx.now(),
    )
    project_ctx = replace(ctx, place=Place(client_id, project.id, 0))
    await write_audit_entry(tx, project_ctx, AuditEntry("project", "create", project.id, name=project.name))
    return await projects.add(tx, project)


async def update_project(tx: Tx, ctx: Context, patch: ProjectPatch) -> Project:
    """Change the name or the description. Raises NotFound, or Conflict if the new name is taken."""
    existing = await projects.get(tx, ctx.caller.client_id, ctx.place.project_id)
    project = existing.patched(patch)
    if project.name != existing.name:
        await projects.check_name_free(tx, existing.client_id, project.name)
    await write_audit_entry(tx, ctx, AuditEntry("project", "update", existing.id, dict(patch), name=project.name))
    return await projects.save(tx, existing, project)


async def delete_project(tx: Tx, ctx: Context, task_id: str) -> Task:
    """Lock the project with everything in it and start the task that deletes them. Raises NotFound or Conflict."""
    project = await projects.get(tx, ctx.caller.client_id, ctx.place.project_id)
    await projects.save(tx, project, project.deleting(task_id))
    await project_contents.lock(tx, project.id, task_id)
    entry = AuditEntry("project", "delete", project.id, name=project.name)
    return await start_task(tx, ctx, task_id, DELETE_PROJECT, DeleteProjectArgs(project_id=project.id), entry=entry)
