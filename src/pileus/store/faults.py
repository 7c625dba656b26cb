"""Faults that administrators and operators inject into the simulated driver."""

from pileus.domain.account.access import ALL_CLIENTS
from pileus.domain.faults import Fault
from pileus.store.database import Tx
from pileus.store.rows import AGE, Table
from pileus.store.scoped import in_reach_condition

TABLE = Table("faults", Fault)
add = TABLE.add


async def list_in_reach(tx: Tx, client_id: int) -> list[Fault]:
    """Return the faults of a tenant, or of everybody for ALL_CLIENTS, oldest first."""
    return await TABLE.find(tx, f"{in_reach_condition(client_id)} ORDER BY created_at, id", client_id=client_id)


async def list_for_tasks_of(tx: Tx, client_id: int) -> list[Fault]:
    """Return the faults that apply to a tenant's tasks: its own and those for all tenants, oldest first."""
    where = "client_id IN (:all_clients, :client_id)"
    faults = await TABLE.find(tx, where, all_clients=ALL_CLIENTS, client_id=client_id)
    return sorted(faults, key=AGE)


async def count_of_client(tx: Tx, client_id: int) -> int:
    """Count the faults of a tenant, or those for all tenants."""
    row = await tx.one("SELECT count(*) FROM faults WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0


async def remove(tx: Tx, client_id: int, fault_id: str) -> bool:
    """Delete a fault in reach of a tenant; False if there is none."""
    where = f"id = :id AND {in_reach_condition(client_id)}"
    return bool(await tx.run(f"DELETE FROM faults WHERE {where}", id=fault_id, client_id=client_id))


async def remove_all(tx: Tx, client_id: int = ALL_CLIENTS) -> None:
    """Delete the faults of a tenant, or of everybody for ALL_CLIENTS."""
    await tx.send(f"DELETE FROM faults WHERE {in_reach_condition(client_id)}", client_id=client_id)


async def consume_one_use(tx: Tx, fault: Fault) -> bool:
    """Use a fault once and delete it after its last time; False if it is used up already."""
    left = bool(await tx.run("UPDATE faults SET times = times - 1 WHERE id = :id AND times > 0", id=fault.id))
    await tx.send("DELETE FROM faults WHERE times <= 0")
    return left or fault.times is None
