"""Users and their passwords."""

from pileus.domain.account.users import User
from pileus.domain.errors import not_found
from pileus.store import queries
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("users", User)
add, remove = TABLE.add, TABLE.remove


async def find_by_email(tx: Tx, email: str) -> User | None:
    """Return the user with an e-mail address in its normal form, or None."""
    return await TABLE.find_one(tx, "email = :email", email=email)


async def get(tx: Tx, user_id: int) -> User:
    """Return a user of any tenant. Raises NotFound."""
    user = await TABLE.find_by_id(tx, user_id)
    if user is None:
        raise not_found("User", user_id)
    return user


async def get_of_client(tx: Tx, client_id: int, user_id: int) -> User:
    """Return a user of a tenant. Raises NotFound."""
    user = await get(tx, user_id)
    if user.client_id != client_id:
        raise not_found("User", user_id)
    return user


async def lock(tx: Tx, user_id: int) -> User | None:
    """Lock a user until the transaction ends, and return it, or None if it does not exist."""
    await tx.lock("UPDATE users SET email = email WHERE id = :id", id=user_id)
    return await TABLE.find_by_id(tx, user_id)


async def list_all(tx: Tx) -> list[User]:
    """Return the users of all tenants, oldest first."""
    return await TABLE.find(tx, "id > 0 ORDER BY id")


async def page(tx: Tx, client_id: int, *, limit: int, offset: int) -> tuple[int, list[User]]:
    """Return the number of a tenant's users and one page, oldest first."""
    where = queries.Where("client_id = :client_id", client_id=client_id)
    return await queries.page(tx, TABLE, where, "id", limit=limit, offset=offset)


async def count_of_client(tx: Tx, client_id: int) -> int:
    """Count the users of a tenant."""
    row = await tx.one("SELECT count(*) FROM users WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0


async def count_api_keys(tx: Tx, user_id: int) -> int:
    """Count the API keys of a user, revoked ones included."""
    row = await tx.one("SELECT count(*) FROM api_keys WHERE user_id = :user_id", user_id=user_id)
    return int(row[0]) if row else 0


async def disable_all_of_client(tx: Tx, client_id: int) -> None:
    """Delete the users of a tenant who own no API keys; the others can no longer log in."""
    await tx.send(
        "DELETE FROM users WHERE client_id = :client_id"
        " AND NOT EXISTS (SELECT 1 FROM api_keys WHERE api_keys.user_id = users.id)",
        client_id=client_id,
    )
    await tx.send("UPDATE users SET password_digest = NULL WHERE client_id = :client_id", client_id=client_id)


async def save_password_digest(tx: Tx, user_id: int, digest: str) -> None:
    """Replace the password of a user."""
    await tx.send("UPDATE users SET password_digest = :digest WHERE id = :id", id=user_id, digest=digest)
