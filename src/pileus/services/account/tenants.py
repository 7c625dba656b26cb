"""Create tenants."""

from pileus.domain.account.clients import Client
from pileus.domain.account.projects import Project
from pileus.store import counters
from pileus.store.account import clients, projects
from pileus.store.database import Tx


async def create_tenant(tx: Tx, name: str, now: int) -> Client:
    """Save a tenant with a first user and a default project."""
    return await _add_tenant(tx, await clients.allocate_id(tx), name, now)


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
