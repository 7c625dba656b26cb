"""Operators create, list and revoke API keys in the database, with or without a running server."""

from dataclasses import dataclass

from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.domain.account.projects import Project
from pileus.initial_data import CLIENT, generate_api_token
from pileus.store import counters
from pileus.store.account import api_keys, clients, projects
from pileus.store.database import Database, Tx

DAY = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class ApiKeyAdmin:
    """The API keys in a database."""

    db: Database
    now: int

    async def create(self, name: str, role: str, client: int | None, expires_days: int | None) -> str:
        """Create a key and return its token, which is not stored; a new tenant gets a user and a project."""
        now, client_id = self.now, CLIENT if client is None else client

        async def write(tx: Tx) -> str:
            await add_missing_tenant(tx, client_id, now)
            key_id = await api_keys.allocate_id(tx)
            token = generate_api_token(key_id)
            key = ApiKey(
                id=key_id,
                client_id=client_id,
                user_id=await clients.get_first_user_id(tx, client_id),
                name=name,
                role=Role(role),
                digest=hash_api_token(token),
                created_at=now,
                expires_at=None if expires_days is None else now + expires_days * DAY,
            )
            await api_keys.add(tx, key)
            return token

        return await self.db.write(write)

    async def list(self) -> list[ApiKey]:
        """Return all keys, oldest first, revoked and expired ones included."""
        async with self.db.read() as tx:
            return await api_keys.list_all(tx)

    async def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if it does not exist or is revoked."""
        return await self.db.write(lambda tx: api_keys.revoke(tx, key_id, self.now))


async def add_missing_tenant(tx: Tx, client_id: int, now: int) -> None:
    """Add a tenant with a user and a project, if it does not exist."""
    if await clients.exists(tx, client_id):
        return
    await clients.add(tx, client_id, f"client-{client_id}", now)
    user_id = await clients.allocate_user_id(tx)
    await clients.add_user(tx, user_id, client_id, f"client-{client_id}@localhost.localdomain", now)
    project_id = await counters.increment(tx, "projects")
    await projects.add(tx, Project(id=project_id, client_id=client_id, name="default", is_default=True, created_at=now))
