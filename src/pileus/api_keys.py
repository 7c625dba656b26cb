"""Operators create, list and revoke API keys in the database, with or without a running server."""

from dataclasses import dataclass

from pileus.api.authentication import wait_until_caches_expire
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey
from pileus.initial_data import CLIENT
from pileus.services.account.api_keys import create_api_key, rotate_api_key
from pileus.services.account.console_tickets import create_console_ticket
from pileus.services.account.tenants import add_missing_tenant
from pileus.store.account import api_keys
from pileus.store.database import Database, Tx

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class ApiKeyAdmin:
    """The API keys in a database."""

    db: Database
    now: int

    async def create(self, name: str, role: str, client: int | None, expires_days: int | None) -> str:
        """Create a key and return its token, which is not stored; a new tenant gets a user and a project."""
        client_id = CLIENT if client is None else client
        expires_at = None if expires_days is None else self.now + expires_days * DAY

        async def write(tx: Tx) -> str:
            await add_missing_tenant(tx, client_id, self.now)
            _, token = await create_api_key(tx, client_id, name, Role(role).value, expires_at, self.now)
            return token

        return await self.db.write(write)

    async def create_console_ticket(self) -> str:
        """Create a ticket, which signs the operator in to the web console once and within 10 minutes."""
        return await self.db.write(lambda tx: create_console_ticket(tx, self.now))

    async def list(self) -> list[ApiKey]:
        """Return all keys, oldest first, revoked and expired ones included."""
        async with self.db.read() as tx:
            return await api_keys.list_all(tx)

    async def rotate(self, key_id: int, grace_hours: int) -> str:
        """Replace the token of a key and return the new one. The old one stays valid for some hours.

        Without hours, no server accepts the old token when this returns. Raises NotFound, or Conflict if the key is not
        in force.
        """

        async def write(tx: Tx) -> str:
            client_id = await api_keys.get_client_id(tx, key_id)
            _, token = await rotate_api_key(
                tx, client_id, key_id, grace=grace_hours * HOUR, expires_at=None, now=self.now
            )
            return token

        token = await self.db.write(write)
        if not grace_hours:
            await wait_until_caches_expire()
        return token

    async def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if it does not exist or is revoked. When this returns, no server accepts the key."""
        is_revoked = await self.db.write(lambda tx: api_keys.revoke(tx, key_id, self.now))
        if is_revoked:
            await wait_until_caches_expire()
        return is_revoked
