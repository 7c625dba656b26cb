"""L7 policies of listeners."""

from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("l7_policies", L7Policy)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, l7_policy_id: str) -> L7Policy:
    """Return a L7 policy of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "L7 policy", place, l7_policy_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[L7Policy]:
    """Return the L7 policies of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def list_by_listener(tx: Tx, listener_id: str) -> list[L7Policy]:
    """Return the L7 policies of a listener in order of position."""
    return await TABLE.find(tx, "listener_id = :id ORDER BY position, id", id=listener_id)


async def list_by_pool(tx: Tx, pool_id: str) -> list[L7Policy]:
    """Return the L7 policies that redirect to a pool."""
    return await TABLE.find(tx, "redirect_pool_id = :id ORDER BY id", id=pool_id)


async def page(tx: Tx, place: Place, *, limit: int, offset: int) -> tuple[int, list[L7Policy]]:
    """Return the number of a place's L7 policies and one page of them, by listener and position."""
    where = queries.Where.of_place(place)
    return await queries.page(tx, TABLE, where, "listener_id, position, id", limit=limit, offset=offset)
