"""Listeners."""

from collections.abc import Sequence

from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("listeners", Listener)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove

POOLS_OF_LISTENERS = """
SELECT id, default_pool_id FROM listeners WHERE id IN ({marks}) AND default_pool_id IS NOT NULL
UNION SELECT listener_id, redirect_pool_id FROM l7_policies
WHERE listener_id IN ({marks}) AND redirect_pool_id IS NOT NULL
"""


async def get(tx: Tx, place: Place, listener_id: str) -> Listener:
    """Return a listener of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Listener", place, listener_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[Listener]:
    """Return the listeners of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def list_ids_by_load_balancers(tx: Tx, load_balancer_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the listeners of load balancers, by load balancer, oldest first."""
    marks, values = in_list_placeholders("id", load_balancer_ids)
    statement = (
        f"SELECT load_balancer_id, id FROM listeners WHERE load_balancer_id IN ({marks}) ORDER BY created_at, id"
    )
    ids: dict[str, list[str]] = {load_balancer_id: [] for load_balancer_id in load_balancer_ids}
    for load_balancer_id, listener_id in await tx.all(statement, **values):
        ids[load_balancer_id].append(listener_id)
    return ids


async def count_pools(tx: Tx, listener_ids: Sequence[str]) -> dict[str, int]:
    """Count the pools that each listener uses: by default, and by its L7 policies."""
    marks, values = in_list_placeholders("id", listener_ids)
    rows = await tx.all(POOLS_OF_LISTENERS.format(marks=marks), **values)
    counts = dict.fromkeys(listener_ids, 0)
    for listener_id, _ in rows:
        counts[listener_id] += 1
    return counts


async def list_by_pool(tx: Tx, pool_id: str) -> list[Listener]:
    """Return the listeners whose default pool is a pool, oldest first."""
    return await TABLE.find(tx, "default_pool_id = :id ORDER BY created_at, id", id=pool_id)


async def list_with_policies_of_pool(tx: Tx, pool_id: str) -> list[Listener]:
    """Return the listeners with L7 policies that redirect to a pool, oldest first."""
    redirecting = "id IN (SELECT listener_id FROM l7_policies WHERE redirect_pool_id = :id)"
    return await TABLE.find(tx, f"{redirecting} ORDER BY created_at, id", id=pool_id)


async def page(
    tx: Tx, place: Place, *, load_balancer_id: str | None, name: str | None, limit: int, offset: int
) -> tuple[int, list[Listener]]:
    """Return the number of matching listeners and one page of them, newest first."""
    where = queries.Where.of_place(place).equal("load_balancer_id", load_balancer_id).equal("name", name)
    order = queries.order_by_expression("created_at.desc")
    return await queries.page(tx, TABLE, where, order, limit=limit, offset=offset)
