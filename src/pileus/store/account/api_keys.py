"""API keys and their callers."""

from dataclasses import dataclass

from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey
from pileus.domain.errors import not_found
from pileus.domain.places import Caller
from pileus.store import counters, queries
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("api_keys", ApiKey)


@dataclass(slots=True)
class RevocationCount:
    """Number of keys revoked by this process.

    Caches of callers compare it and drop their entries when it has grown.
    """

    times: int = 0

    def drop_caches(self) -> None:
        """Let the caches drop their entries, because keys are gone."""
        self.times += 1


NAME_OF_STARTS = "administrator"
"""The name of the keys that starts of servers create."""
REVOCATIONS = RevocationCount()
KEY_WITH_EMAIL = (
    f"SELECT u.email, c.suspended_at, {TABLE.qualified_columns('k')} FROM api_keys k"
    " JOIN users u ON u.id = k.user_id JOIN clients c ON c.id = k.client_id WHERE k.id = :id"
)


async def find_with_caller(tx: Tx, key_id: int) -> tuple[ApiKey, Caller] | None:
    """Return a key and the caller that it authenticates, or None."""
    row = await tx.one(KEY_WITH_EMAIL, id=key_id)
    if row is None:
        return None
    key = TABLE.record_from_row(tx, row[2:])
    caller = Caller(
        client_id=key.client_id,
        user_id=key.user_id,
        email=row[0],
        token_id=key.id,
        role=key.role,
        is_suspended=row[1] is not None,
    )
    return key, caller


async def add(tx: Tx, key: ApiKey) -> None:
    """Insert a key."""
    await TABLE.add(tx, key)


async def list_all(tx: Tx) -> list[ApiKey]:
    """Return all keys, oldest first."""
    return await TABLE.find(tx, "id > 0 ORDER BY id")


async def list_of_starts(tx: Tx, key_id: int | None) -> list[ApiKey]:
    """Return the keys that starts of servers have created, and a further one if it is of the same tenant."""
    where = "client_id = 1 AND ((name = :name AND role = :role) OR id = :id) ORDER BY id"
    return await TABLE.find(tx, where, name=NAME_OF_STARTS, role=Role.OPERATORS.value, id=key_id)


async def page(tx: Tx, client_id: int, *, limit: int, offset: int) -> tuple[int, list[ApiKey]]:
    """Return the number of a tenant's keys and one page, oldest first."""
    where = queries.Where("client_id = :client_id", client_id=client_id)
    return await queries.page(tx, TABLE, where, "id", limit=limit, offset=offset)


async def lock(tx: Tx, client_id: int, key_id: int) -> ApiKey:
    """Lock a key of a tenant until the transaction ends, and return it. Raises NotFound."""
    await tx.lock("UPDATE api_keys SET name = name WHERE id = :id", id=key_id)
    key = await TABLE.find_by_id(tx, key_id)
    if key is None or key.client_id != client_id:
        raise not_found("API key", key_id)
    return key


async def save_digests(tx: Tx, key: ApiKey) -> None:
    """Write the tokens and the expiry of a rotated key."""
    REVOCATIONS.times += 1
    await tx.send(
        """
        UPDATE api_keys SET digest = :digest, previous_digest = :previous_digest,
            previous_expires_at = :previous_expires_at, expires_at = :expires_at
        WHERE id = :id
        """,
        id=key.id,
        digest=key.digest,
        previous_digest=key.previous_digest,
        previous_expires_at=key.previous_expires_at,
        expires_at=key.expires_at,
    )


async def revoke(tx: Tx, key_id: int, now: int) -> bool:
    """Revoke a key; False if it does not exist or is revoked."""
    REVOCATIONS.times += 1
    return bool(
        await tx.run("UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL", id=key_id, now=now)
    )


async def revoke_all_of_client(tx: Tx, client_id: int, now: int) -> None:
    """Revoke all keys of a tenant."""
    REVOCATIONS.times += 1
    await tx.send(
        "UPDATE api_keys SET revoked_at = :now WHERE client_id = :client_id AND revoked_at IS NULL",
        client_id=client_id,
        now=now,
    )


async def reinstate(tx: Tx, key_id: int, digest: str, role: str) -> None:
    """Replace the secret and the role of a key, and undo its revocation."""
    REVOCATIONS.times += 1
    await tx.send(
        """
        UPDATE api_keys SET digest = :digest, role = :role, previous_digest = NULL, revoked_at = NULL WHERE id = :id
        """,
        id=key_id,
        digest=digest,
        role=role,
    )


async def allocate_id(tx: Tx) -> int:
    """Return an id that no key has; operators may have chosen any id for a key of their own."""
    number = await counters.increment(tx, "api_keys")
    while await exists(tx, number):
        number = await counters.increment(tx, "api_keys")
    return number


async def get_client_id(tx: Tx, key_id: int) -> int:
    """Return the tenant of a key. Raises NotFound."""
    key = await TABLE.find_by_id(tx, key_id)
    if key is None:
        raise not_found("API key", key_id)
    return key.client_id


async def exists(tx: Tx, key_id: int) -> bool:
    """Return whether a key with this id exists."""
    return await tx.one("SELECT 1 FROM api_keys WHERE id = :id", id=key_id) is not None
