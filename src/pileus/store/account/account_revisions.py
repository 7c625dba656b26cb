"""Numbers that each change of what other cells copy of a tenant increases, in the database of cell 0."""

from pileus.store.database import Tx


async def bump(tx: Tx, client_id: int) -> None:
    """Increase the number, in the transaction of the change."""
    await tx.send(
        "INSERT INTO account_revisions (client_id, revision) VALUES (:client_id, 1)"
        " ON CONFLICT (client_id) DO UPDATE SET revision = account_revisions.revision + 1",
        client_id=client_id,
    )


async def find(tx: Tx, client_id: int) -> int:
    """Return the number; 0 for a tenant that nobody has changed."""
    row = await tx.one("SELECT revision FROM account_revisions WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0
