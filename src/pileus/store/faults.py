"""Faults that operators inject into the simulated driver."""

from pileus.domain.faults import Fault
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("faults", Fault)
add = TABLE.add


async def list_all(tx: Tx) -> list[Fault]:
    """Return all faults, oldest first."""
    return await TABLE.find(tx, "kind <> '' ORDER BY created_at, id")


async def remove(tx: Tx, fault_id: str) -> bool:
    """Delete a fault; False if it does not exist."""
    return bool(await tx.run("DELETE FROM faults WHERE id = :id", id=fault_id))


async def remove_all(tx: Tx) -> None:
    """Delete all faults."""
    await tx.run("DELETE FROM faults")


async def consume_one_use(tx: Tx, fault: Fault) -> bool:
    """Use a fault once and delete it after its last time; False if it is used up already."""
    left = bool(await tx.run("UPDATE faults SET times = times - 1 WHERE id = :id AND times > 0", id=fault.id))
    await tx.run("DELETE FROM faults WHERE times <= 0")
    return left or fault.times is None
