"""Create, update and delete projects."""

from dataclasses import replace

from msgspec.structs import replace as replace_place

from pileus.domain.account.projects import Project, ProjectPatch
from pileus.domain.account.task_types import DELETE_PROJECT, DeleteProjectArgs
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, RegionElsewhere
from pileus.domain.places import Place
from pileus.domain.tasks import Task
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.services.account.quotas import check_global_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tasks import start_task
from pileus.store import counters, driver_homes, project_contents
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


async def check_project_deletable(tx: Tx, client_id: int, project_id: int) -> None:
    """Check that nothing prevents the deletion now, before other cells delete their part of the project.

    Raises NotFound, Invalid or Conflict.
    """
    (await projects.get(tx, client_id, project_id)).require_deletable()
    await project_contents.check_no_task(tx, project_id)


async def delete_project(tx: Tx, ctx: Context, drivers: RegionDrivers, task_id: str) -> Task:
    """Lock the project with everything in it and start the task that deletes them.

    Raises NotFound or Conflict, or RegionElsewhere if another server has machines of the project.
    """
    project = await projects.get(tx, ctx.caller.client_id, ctx.place.project_id)
    await projects.save(tx, project, project.deleting(task_id))
    await project_contents.lock(tx, project.id, task_id)
    task_ctx = replace(ctx, place=replace_place(ctx.place, region_id=await _find_home_region(tx, drivers, project.id)))
    entry = AuditEntry("project", "delete", project.id, name=project.name)
    return await start_task(
        tx, task_ctx, task_id, DELETE_PROJECT, DeleteProjectArgs(project_id=project.id), entry=entry
    )


async def _find_home_region(tx: Tx, drivers: RegionDrivers, project_id: int) -> int:
    """Return a region of the project whose machines are in this server alone, so that it performs the task; or 0.

    Raises RegionElsewhere, or Conflict if no server has the machines of all regions.
    """
    homes = await driver_homes.list_by_region(tx)
    region_ids = [id_ for id_ in await project_contents.list_region_ids(tx, project_id) if id_ in homes]
    if len({homes[region_id].home_id for region_id in region_ids}) > 1:
        names = ", ".join(map(str, region_ids))
        raise Conflict(f"Different servers have the machines of regions {names}: delete what is in all but one of them")
    for region_id in region_ids:
        if region_id in drivers.remote_region_ids:
            raise RegionElsewhere(region_id)
    return region_ids[0] if region_ids else 0
