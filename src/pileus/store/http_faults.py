"""Faults of HTTP."""

from pileus.domain.http_faults import HttpFault
from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.rows import Table

TABLE = Table("http_faults", HttpFault)
add = TABLE.add


async def list_all(tx: Tx) -> list[HttpFault]:
    """Return all faults, oldest first."""
    return await TABLE.find(tx, "1 = 1 ORDER BY created_at, id")


async def find(tx: Tx, fault_id: str) -> HttpFault | None:
    """Return a fault, or None."""
    return await TABLE.find_by_id(tx, fault_id)


async def find_for_change(tx: Tx, fault_id: str) -> HttpFault | None:
    """Return a fault, locked until the transaction ends, or None."""
    return await TABLE.find_one(tx, f"id = :id {FOR_CHANGE}", id=fault_id)


async def count(tx: Tx) -> int:
    """Count the faults."""
    row = await tx.one("SELECT count(*) FROM http_faults")
    return int(row[0]) if row else 0


async def save_counts(tx: Tx, fault: HttpFault) -> None:
    """Write how many requests a fault has selected and hit."""
    await tx.send(
        "UPDATE http_faults SET matches = :matches, hits = :hits WHERE id = :id",
        id=fault.id,
        matches=fault.matches,
        hits=fault.hits,
    )


async def remove(tx: Tx, fault_id: str) -> bool:
    """Delete a fault; False if there is none."""
    return bool(await tx.run("DELETE FROM http_faults WHERE id = :id", id=fault_id))


async def remove_all(tx: Tx) -> None:
    """Delete all faults."""
    await tx.send("DELETE FROM http_faults")
