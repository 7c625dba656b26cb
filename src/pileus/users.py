"""Operators create, list and delete users in the database, with or without a running server."""

from dataclasses import dataclass

from pileus.api.authentication import wait_until_caches_expire
from pileus.domain.account.access import Role
from pileus.domain.account.users import User, check_password_length, require_valid_email
from pileus.initial_data import CLIENT
from pileus.services.account.tenants import add_missing_tenant
from pileus.services.account.users import register_user, remove_user, replace_password, require_user
from pileus.store.account import users
from pileus.store.database import Database, Tx, Work


@dataclass(frozen=True, slots=True)
class UserAdmin:
    """The users in a database."""

    db: Database
    now: int

    async def create(self, email: str, role: str, client: int | None, password: str) -> User:
        """Create a user with a password. A new tenant also gets a first user and a project.

        Raises Invalid or Conflict.
        """
        text, client_id = require_valid_email(email), CLIENT if client is None else client
        check_password_length(password)
        digest = _hash_password(password)

        async def write(tx: Tx) -> User:
            await add_missing_tenant(tx, client_id, self.now)
            return await register_user(tx, client_id, text, Role(role).value, digest, self.now)

        return await self.db.write(write)

    async def list(self) -> list[User]:
        """Return all users, oldest first."""
        async with self.db.read() as tx:
            return await users.list_all(tx)

    async def set_password(self, email: str, password: str) -> User:
        """Replace the password of a user, and end its logins. Raises Invalid or NotFound."""
        check_password_length(password)
        digest = _hash_password(password)

        async def write(tx: Tx) -> User:
            user = await require_user(tx, email)
            await replace_password(tx, user, digest)
            return user

        return await self._write_and_wait(write)

    async def delete(self, email: str) -> User:
        """Delete a user, and end its logins. Raises NotFound, or Conflict if it owns keys or is the only one."""

        async def write(tx: Tx) -> User:
            user = await require_user(tx, email)
            await remove_user(tx, user)
            return user

        return await self._write_and_wait(write)

    async def _write_and_wait(self, write: Work[User]) -> User:
        """Write, and return when no server accepts the logins that the write has ended."""
        user = await self.db.write(write)
        await wait_until_caches_expire()
        return user


def _hash_password(password: str) -> str:
    from pileus.services.account.passwords import hash_password  # noqa: PLC0415  # takes long to load, also for servers

    return hash_password(password)
