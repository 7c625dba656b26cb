"""Members of pools."""

from collections.abc import Sequence

from pileus.domain.load_balancers.members import Member
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("members", Member)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, member_id: str) -> Member:
    """Return a member of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Member", place, member_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[Member]:
    """Return the members of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def list_by_pool(tx: Tx, pool_id: str) -> list[Member]:
    """Return the members of a pool, oldest first."""
    return await TABLE.find(tx, "pool_id = :id ORDER BY created_at, id", id=pool_id)


async def page(tx: Tx, pool_id: str, order_by: str, *, limit: int, offset: int) -> tuple[int, list[Member]]:
    """Return the number of a pool's members and one page of them, in the order `column.direction`."""
    where = queries.Where("pool_id = :pool_id", pool_id=pool_id)
    order = queries.order_by_expression(order_by)
    return await queries.page(tx, TABLE, where, order, limit=limit, offset=offset)


async def list_by_pools(tx: Tx, pool_ids: Sequence[str]) -> dict[str, list[Member]]:
    """Return the members of pools, by pool, oldest first."""
    marks, parameters = in_list_placeholders("pool_id", pool_ids)
    members: dict[str, list[Member]] = {pool_id: [] for pool_id in pool_ids}
    for member in await TABLE.find_many(tx, f"pool_id IN ({marks}) ORDER BY created_at, id", **parameters):
        members[member.pool_id].append(member)
    return members
