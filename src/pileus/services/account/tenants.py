"""Create, rename, suspend, resume and delete tenants."""

from pileus.domain.account.clients import Client, check_deletable, check_suspendable
from pileus.domain.account.projects import Project
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.store import counters, project_contents, tasks
from pileus.store.account import api_keys, clients, login_sessions, projects, users
from pileus.store.database import Tx


async def create_tenant(tx: Tx, name: str, now: int) -> Client:
    """Save a tenant with a first user and a default project."""
    return await _add_tenant(tx, await clients.allocate_id(tx), name, now)


async def rename_tenant(tx: Tx, client_id: int, name: str) -> Client:
    """Save another name of a tenant. Raises NotFound."""
    return await clients.rename(tx, await clients.lock_present(tx, client_id), name)


async def suspend_tenant(tx: Tx, ctx: Context, client_id: int) -> Client:
    """Suspend a tenant, if it is not suspended yet. Raises NotFound or Conflict."""
    client = await clients.lock_present(tx, client_id)
    check_suspendable(client, operators_client_id=ctx.caller.client_id)
    suspended = client.suspended(ctx.now())
    await clients.save_suspension(tx, suspended)
    return suspended


async def resume_tenant(tx: Tx, client_id: int) -> Client:
    """Give a suspended tenant access again. Raises NotFound."""
    resumed = (await clients.lock_present(tx, client_id)).resumed()
    await clients.save_suspension(tx, resumed)
    return resumed


async def delete_tenant(tx: Tx, ctx: Context, client_id: int) -> list[tuple[int, str]]:
    """Delete a tenant that has nothing; return the default security groups that are removed with its default project.

    Its record stays, because the audit log and usage refer to it. Raises NotFound or Conflict.
    """
    client = await clients.lock_present(tx, client_id)
    existing = await projects.lock_all(tx, client_id)
    check_deletable(
        client,
        operators_client_id=ctx.caller.client_id,
        project_count=len(existing),
        unfinished_tasks=await tasks.count_unfinished_of_tenant(tx, client_id),
    )
    groups: list[tuple[int, str]] = []
    for project in existing:
        if table := await project_contents.find_resource(tx, project.id):
            raise Conflict(f"Tenant {client_id} has {table.replace('_', ' ')}: delete them first")
        groups += await project_contents.list_regions_and_ids(tx, "security_groups", project.id)
        await project_contents.remove(tx, project.id)
        await projects.save(tx, project, project.deleted(ctx.now()))
    await api_keys.revoke_all_of_client(tx, client_id, ctx.now())
    await login_sessions.remove_all_of_client(tx, client_id)
    await users.disable_all_of_client(tx, client_id)
    await clients.save_deletion(tx, client_id, ctx.now())
    return groups


async def add_missing_tenant(tx: Tx, client_id: int, now: int) -> None:
    """Add a tenant with a user and a project, if it does not exist."""
    if not await clients.exists(tx, client_id):
        await _add_tenant(tx, client_id, f"client-{client_id}", now)


async def _add_tenant(tx: Tx, client_id: int, name: str, now: int) -> Client:
    """Save a tenant. Its first user owns the keys but cannot log in."""
    await clients.add(tx, client_id, name, now)
    user_id = await clients.allocate_user_id(tx)
    await clients.add_user(tx, user_id, client_id, f"client-{client_id}@localhost.localdomain", now)
    project_id = await counters.increment(tx, "projects")
    await projects.add(tx, Project(id=project_id, client_id=client_id, name="default", is_default=True, created_at=now))
    return Client(id=client_id, name=name, created_at=now)
