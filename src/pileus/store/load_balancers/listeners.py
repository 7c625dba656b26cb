"""Listeners."""

from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("listeners", Listener)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, listener_id: str) -> Listener:
    """Return a listener of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Listener", place, listener_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[Listener]:
    """Return the listeners of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


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
