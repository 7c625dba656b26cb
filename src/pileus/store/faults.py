"""What was asked to go wrong, and how many servers there is room for."""

from pileus.domain.faults import Fault
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("faults", Fault)


async def list_all(tx: Tx) -> list[Fault]:
    """All faults, oldest first."""
    return await TABLE.find(tx, "kind <> '' ORDER BY created_at, id")


async def add(tx: Tx, fault: Fault) -> Fault:
    """Insert a fault."""
    return await TABLE.add(tx, fault)


async def remove(tx: Tx, fault_id: str) -> bool:
    """Remove a fault; whether it was there."""
    return bool(await tx.run("DELETE FROM faults WHERE id = :id", id=fault_id))


async def clear(tx: Tx) -> None:
    """Remove every fault."""
    await tx.run("DELETE FROM faults")


async def consume(tx: Tx, fault: Fault) -> bool:
    """Count one strike; the last one removes the fault. False if others have used it up."""
    left = bool(await tx.run("UPDATE faults SET times = times - 1 WHERE id = :id AND times > 0", id=fault.id))
    await tx.run("DELETE FROM faults WHERE times <= 0")
    return left or fault.times is None
