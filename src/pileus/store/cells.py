"""The cell of the database."""

from pileus.store.database import Tx


async def find_own_number(tx: Tx) -> int | None:
    """Return the number of the database's cell; None for one that is empty or older than cells."""
    row = await tx.one("SELECT number FROM own_cell")
    return int(row[0]) if row else None


async def add_own_number(tx: Tx, number: int) -> None:
    """Save the number of the database's cell, unless it has one."""
    await tx.send("INSERT INTO own_cell (id, number) VALUES (1, :number) ON CONFLICT (id) DO NOTHING", number=number)
