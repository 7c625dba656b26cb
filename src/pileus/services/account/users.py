"""Register and remove users, and replace their passwords."""

from pileus.domain.account.users import User, normalize_email
from pileus.domain.errors import Conflict, not_found
from pileus.store.account import clients, login_sessions, users
from pileus.store.database import Tx


async def register_user(tx: Tx, client_id: int, email: str, role: str, password_digest: str, now: int) -> User:
    """Save a user of a tenant. Raises NotFound for an unknown tenant, or Conflict if the address is taken."""
    await clients.lock_present(tx, client_id)
    if await users.find_by_email(tx, email):
        raise Conflict(f"User {email} already exists")
    user = User(
        id=await clients.allocate_user_id(tx),
        client_id=client_id,
        email=email,
        created_at=now,
        role=role,
        password_digest=password_digest,
    )
    return await users.add(tx, user)


async def require_user(tx: Tx, email: str) -> User:
    """Return the user with an e-mail address, of any tenant. Raises NotFound."""
    user = await users.find_by_email(tx, normalize_email(email))
    if user is None:
        raise not_found("User", email)
    return user


async def replace_password(tx: Tx, user: User, digest: str) -> None:
    """Replace the password of a user, and end its logins."""
    await users.save_password_digest(tx, user.id, digest)
    await login_sessions.remove_all_of_user(tx, user.id)


async def remove_user(tx: Tx, user: User) -> None:
    """Delete a user, and end its logins. Raises NotFound, or Conflict if it owns keys or is the only one.

    The tenant is locked first, so that two requests cannot delete its last two users, nor one that gets a key.
    """
    await clients.lock_present(tx, user.client_id)
    await users.get(tx, user.id)
    if await users.count_api_keys(tx, user.id):
        raise Conflict(f"User {user.email} owns API keys and cannot be deleted")
    if await users.count_of_client(tx, user.client_id) == 1:
        raise Conflict(f"User {user.email} is the only user of client {user.client_id} and cannot be deleted")
    await login_sessions.remove_all_of_user(tx, user.id)
    await users.remove(tx, user.id)
