"""Pools."""

from pileus.domain.load_balancers.pools import Pool
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("pools", Pool)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, pool_id: str) -> Pool:
    """Return a pool of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Pool", place, pool_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[Pool]:
    """Return the pools of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def page(
    tx: Tx,
    place: Place,
    *,
    load_balancer_id: str | None,
    listener_id: str | None,
    name: str | None,
    limit: int,
    offset: int,
) -> tuple[int, list[Pool]]:
    """Return the number of matching pools and one page of them, newest first."""
    where = queries.Where.of_place(place).equal("load_balancer_id", load_balancer_id).equal("name", name)
    if listener_id is not None:
        default = "id IN (SELECT default_pool_id FROM listeners WHERE id = :listener_id)"
        redirect = "id IN (SELECT redirect_pool_id FROM l7_policies WHERE listener_id = :listener_id)"
        where.add(f"{default} OR {redirect}", listener_id=listener_id)
    order = queries.order_by_expression("created_at.desc")
    return await queries.page(tx, TABLE, where, order, limit=limit, offset=offset)
