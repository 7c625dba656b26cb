"""Pools."""

from collections.abc import Sequence
from typing import NamedTuple

from pileus.domain.load_balancers.pools import Pool
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("pools", Pool)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


RUNNING = """
CASE WHEN l.admin_state_up = 1 AND b.admin_state_up = 1 AND l.provisioning_status <> 'PENDING_CREATE'
    AND b.provisioning_status <> 'PENDING_CREATE' THEN 1 ELSE 0 END
"""
USERS = f"""
SELECT l.default_pool_id, l.id, {RUNNING}, l.created_at
FROM listeners l JOIN load_balancers b ON b.id = l.load_balancer_id WHERE l.default_pool_id IN ({{marks}})
UNION
SELECT p.redirect_pool_id, l.id, {RUNNING}, l.created_at
FROM l7_policies p JOIN listeners l ON l.id = p.listener_id JOIN load_balancers b ON b.id = l.load_balancer_id
WHERE p.redirect_pool_id IN ({{marks}}) AND p.admin_state_up = 1
    AND EXISTS (SELECT 1 FROM l7_rules r WHERE r.l7_policy_id = p.id)
ORDER BY 4, 2
"""


class PoolUser(NamedTuple):
    """A listener that sends traffic to a pool."""

    listener_id: str
    is_running: bool


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


async def count_by_load_balancer(tx: Tx, load_balancer_id: str) -> int:
    """Count the pools of a load balancer."""
    row = await tx.one("SELECT count(*) FROM pools WHERE load_balancer_id = :id", id=load_balancer_id)
    return int(row[0]) if row else 0


async def list_by_load_balancers(tx: Tx, load_balancer_ids: Sequence[str]) -> list[Pool]:
    """Return the pools of load balancers."""
    marks, parameters = in_list_placeholders("load_balancer_id", load_balancer_ids)
    return await TABLE.find(tx, f"load_balancer_id IN ({marks})", **parameters)


async def list_users(tx: Tx, pool_ids: Sequence[str]) -> dict[str, list[PoolUser]]:
    """Return the listeners that send traffic to pools, by pool: by default, or by an L7 policy with rules."""
    marks, parameters = in_list_placeholders("pool_id", pool_ids)
    users: dict[str, list[PoolUser]] = {pool_id: [] for pool_id in pool_ids}
    for pool_id, listener_id, is_running, _ in await tx.all(USERS.format(marks=marks), **parameters):
        users[pool_id].append(PoolUser(listener_id=listener_id, is_running=bool(is_running)))
    return users
