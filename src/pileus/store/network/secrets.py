"""Secrets of tenants, and what uses them. The payload is encrypted."""

from typing import Any

from msgspec.structs import asdict

from pileus.domain.network.secrets import Secret, SecretUse
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table

TABLE = Table("secrets", Secret, secrets={"payload": lambda payload: True})  # noqa: ARG005  # every payload is secret
USES = Table("secret_uses", SecretUse, key="secret_id")
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save, remove = TABLE.add, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, secret_id: str) -> Secret:
    """Return a secret of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, Secret.NOUN, place, secret_id)


async def get_for_use(tx: Tx, place: Place, secret_id: str) -> Secret:
    """Return a secret of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, Secret.NOUN, place, secret_id, lock=FOR_USE)


async def lock(tx: Tx, place: Place, secret_id: str) -> Secret:
    """Return a secret of a place like `get`; nobody starts to use it until the transaction ends."""
    return await scoped.get(tx, TABLE, Secret.NOUN, place, secret_id, lock=FOR_CHANGE)


async def page(tx: Tx, place: Place, *, limit: int, offset: int) -> tuple[int, list[Secret]]:
    """Return the number of a place's secrets and one page, oldest first."""
    oldest = queries.order_by_expression("created_at.asc")
    return await queries.page(tx, TABLE, queries.Where.of_place(place), oldest, limit=limit, offset=offset)


async def list_uses(tx: Tx, secret_id: str) -> list[SecretUse]:
    """Return the uses of a secret."""
    return await USES.find(tx, "secret_id = :id ORDER BY holder_id", id=secret_id)


async def add_use(tx: Tx, use: SecretUse) -> None:
    """Insert the use of a secret, unless there is one by the same holder."""
    await tx.send(
        "INSERT INTO secret_uses (secret_id, holder_id, holder_kind) VALUES (:secret_id, :holder_id, :holder_kind)"
        " ON CONFLICT (secret_id, holder_id) DO NOTHING",
        **asdict(use),
    )


async def remove_uses(tx: Tx, holder_id: str) -> None:
    """Delete all uses of secrets by a holder."""
    await USES.remove_all(tx, "holder_id = :holder_id", holder_id=holder_id)


async def remove_uses_of_holders(tx: Tx, holders: str, **values: Any) -> None:
    """Delete the uses by the holders whose ids a subquery returns."""
    await USES.remove_all(tx, f"holder_id IN ({holders})", **values)
