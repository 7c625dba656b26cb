"""Tenants and their users."""

from msgspec.structs import replace

from pileus.domain.account.clients import Client
from pileus.domain.errors import not_found
from pileus.store import counters, queries
from pileus.store.account import account_revisions
from pileus.store.account.api_keys import REVOCATIONS
from pileus.store.count_changes import CountScope
from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.rows import Table

TABLE = Table("clients", Client)


async def add(tx: Tx, client_id: int, name: str, now: int) -> None:
    """Insert a tenant."""
    await tx.send(
        "INSERT INTO clients (id, name, created_at) VALUES (:id, :name, :now)", id=client_id, name=name, now=now
    )


async def add_user(tx: Tx, user_id: int, client_id: int, email: str, now: int) -> None:
    """Insert a user of a tenant."""
    await tx.send(
        "INSERT INTO users (id, client_id, email, created_at) VALUES (:id, :client_id, :email, :now)",
        id=user_id,
        client_id=client_id,
        email=email,
        now=now,
    )


async def get(tx: Tx, client_id: int) -> Client:
    """Return a tenant that is not deleted. Raises NotFound."""
    return _require_present(await TABLE.find_by_id(tx, client_id), client_id)


async def lock_present(tx: Tx, client_id: int) -> Client:
    """Lock a tenant that is not deleted until the transaction ends, and return it. Raises NotFound."""
    await lock(tx, client_id)
    return await get(tx, client_id)


async def rename(tx: Tx, client: Client, name: str) -> Client:
    """Save another name."""
    await account_revisions.bump(tx, client.id)
    await tx.send("UPDATE clients SET name = :name WHERE id = :id", id=client.id, name=name)
    return replace(client, name=name)


async def save_suspension(tx: Tx, client: Client) -> None:
    """Save whether a tenant is suspended. This process looks into the database for the next request of each caller."""
    REVOCATIONS.times += 1
    await account_revisions.bump(tx, client.id)
    await tx.send(
        "UPDATE clients SET suspended_at = :suspended_at WHERE id = :id", id=client.id, suspended_at=client.suspended_at
    )


async def save_deletion(tx: Tx, client_id: int, now: int) -> None:
    """Save that a tenant is deleted, and drop its counts."""
    tx.count_changes.drop_zeros(CountScope.TENANT, client_id)
    await account_revisions.bump(tx, client_id)
    await tx.send("UPDATE clients SET deleted_at = :now WHERE id = :id", id=client_id, now=now)


def _require_present(client: Client | None, client_id: int) -> Client:
    if client is None or client.deleted_at is not None:
        raise not_found("Client", client_id)
    return client


async def page(tx: Tx, *, limit: int, offset: int) -> tuple[int, list[Client]]:
    """Return the number of tenants that are not deleted and one page, oldest first."""
    return await queries.page(tx, TABLE, queries.Where("deleted_at IS NULL"), "id", limit=limit, offset=offset)


async def allocate_id(tx: Tx) -> int:
    """Return an id that no tenant has; operators may have chosen any id for a tenant of their own."""
    number = await counters.increment(tx, "clients")
    while await exists(tx, number):
        number = await counters.increment(tx, "clients")
    return number


async def exists(tx: Tx, client_id: int) -> bool:
    """Return whether a tenant exists."""
    return await tx.one("SELECT 1 FROM clients WHERE id = :id", id=client_id) is not None


async def get_first_start(tx: Tx) -> int:
    """Return when the first tenant was created."""
    row = await tx.one("SELECT created_at FROM clients ORDER BY id LIMIT 1")
    return int(row[0]) if row else 0


async def get_name(tx: Tx, client_id: int) -> str:
    """Return the name of a tenant. Raises NotFound."""
    row = await tx.one("SELECT name FROM clients WHERE id = :id", id=client_id)
    if row is None:
        raise not_found("Client", client_id)
    return str(row[0])


async def lock(tx: Tx, client_id: int) -> None:
    """Lock a tenant until the transaction ends; concurrent requests that lock it wait."""
    await tx.lock("UPDATE clients SET name = name WHERE id = :id", id=client_id)


async def lock_all(tx: Tx) -> None:
    """Lock every tenant until the transaction ends."""
    await tx.all(f"SELECT id FROM clients ORDER BY id {FOR_CHANGE}")


async def allocate_user_id(tx: Tx) -> int:
    """Return an id that no user has."""
    number = await counters.increment(tx, "users")
    while await tx.one("SELECT 1 FROM users WHERE id = :id", id=number) is not None:
        number = await counters.increment(tx, "users")
    return number


async def get_first_user_id(tx: Tx, client_id: int) -> int:
    """Return the id of a tenant's first user; raises NotFound."""
    row = await tx.one("SELECT min(id) FROM users WHERE client_id = :client_id", client_id=client_id)
    if row is None or row[0] is None:
        raise not_found("User of client", client_id)
    return int(row[0])
