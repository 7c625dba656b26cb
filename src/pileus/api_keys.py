"""Operators create, list and revoke API keys in the database, with or without a running server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pileus.api.authentication import wait_until_caches_expire
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token, parse_key_id
from pileus.initial_data import CLIENT
from pileus.private_files import KEY_FILE, read_key_file, write_key_file
from pileus.services.account.api_keys import create_api_key, rotate_api_key
from pileus.services.account.console_tickets import create_console_ticket
from pileus.services.account.tenants import add_missing_tenant
from pileus.store.account import api_keys
from pileus.store.database import Database, Tx

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class ApiKeyAdmin:
    """The API keys in a database. The directory `data` may have a file with the operator's key of the first start."""

    db: Database
    now: int
    data: Path | None = None

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

    @asynccontextmanager
    async def lend_operator_key(self, name: str) -> AsyncIterator[str]:
        """Yield the token of an operator's key that is revoked at the end, and expires after a day in any case."""
        token = await self.create(name, Role.OPERATORS, None, 1)
        try:
            yield token
        finally:
            await self.revoke(parse_key_id(token) or 0)

    async def is_last_operator(self, key_id: int) -> bool:
        """Return whether a key is the only one of an operator that does not expire."""
        keys = [key for key in await self.list() if key.role == Role.OPERATORS and key.revoked_at is None]
        return [key.id for key in keys if key.expires_at is None] == [key_id]

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

        is_in_file = await self._is_in_file(key_id)
        token = await self.db.write(write)
        if is_in_file and self.data:
            write_key_file(token, self.data)
        if not grace_hours:
            await wait_until_caches_expire()
        return token

    async def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if it does not exist or is revoked. When this returns, no server accepts the key.

        If the data directory has the key in a file, the file is deleted.
        """
        is_in_file = await self._is_in_file(key_id)
        is_revoked = await self.db.write(lambda tx: api_keys.revoke(tx, key_id, self.now))
        if is_in_file and self.data:
            (self.data / KEY_FILE).unlink(missing_ok=True)
        if is_revoked:
            await wait_until_caches_expire()
        return is_revoked

    async def _is_in_file(self, key_id: int) -> bool:
        """Return whether the file with the operator's key has this key. It may have that of another database."""
        token = read_key_file(self.data) if self.data else ""
        if parse_key_id(token) != key_id:
            return False
        async with self.db.read() as tx:
            stored = await api_keys.find_with_caller(tx, key_id)
        return stored is not None and hash_api_token(token) in (stored[0].digest, stored[0].previous_digest)
