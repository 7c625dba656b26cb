"""Operators create, list and delete users in the database, with or without a running server."""

from dataclasses import dataclass

from pileus.api_keys import add_missing_tenant
from pileus.domain.account.access import Role
from pileus.domain.account.users import User, check_password_length, normalize_email, require_valid_email
from pileus.domain.errors import Conflict, not_found
from pileus.initial_data import CLIENT
from pileus.services.account.passwords import hash_password
from pileus.store.account import clients, login_sessions, users
from pileus.store.database import Database, Tx


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
        digest = hash_password(password)

        async def write(tx: Tx) -> User:
            if await users.find_by_email(tx, text):
                raise Conflict(f"User {text} already exists")
            await add_missing_tenant(tx, client_id, self.now)
            user = User(
                id=await clients.allocate_user_id(tx),
                client_id=client_id,
                email=text,
                created_at=self.now,
                role=Role(role).value,
                password_digest=digest,
            )
            return await users.add(tx, user)

        return await self.db.write(write)

    async def list(self) -> list[User]:
        """Return all users, oldest first."""
        async with self.db.read() as tx:
            return await users.list_all(tx)

    async def set_password(self, email: str, password: str) -> User:
        """Replace the password of a user, and end its logins. Raises Invalid or NotFound."""
        check_password_length(password)
        digest = hash_password(password)

        async def write(tx: Tx) -> User:
            user = await _require_user(tx, email)
            await users.save_password_digest(tx, user.id, digest)
            await login_sessions.remove_all_of_user(tx, user.id)
            return user

        return await self.db.write(write)

    async def delete(self, email: str) -> User:
        """Delete a user, and end its logins. Raises NotFound, or Conflict if it owns keys or is the only one."""

        async def write(tx: Tx) -> User:
            user = await _require_user(tx, email)
            if await users.count_api_keys(tx, user.id):
                raise Conflict(f"User {user.email} owns API keys and cannot be deleted")
            if await users.count_of_client(tx, user.client_id) == 1:
                raise Conflict(f"User {user.email} is the only user of client {user.client_id} and cannot be deleted")
            await login_sessions.remove_all_of_user(tx, user.id)
            await users.remove(tx, user.id)
            return user

        return await self.db.write(write)


async def _require_user(tx: Tx, email: str) -> User:
    user = await users.find_by_email(tx, normalize_email(email))
    if user is None:
        raise not_found("User", email)
    return user
