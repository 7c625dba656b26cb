"""Health monitors of pools."""

from collections.abc import Sequence

from pileus.domain.errors import NotFound
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.places import Place
from pileus.store import scoped
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("health_monitors", HealthMonitor)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, add_all, save, remove = TABLE.add, TABLE.add_all, TABLE.save, TABLE.remove


async def get(tx: Tx, place: Place, health_monitor_id: str) -> HealthMonitor:
    """Return a health monitor of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Health monitor", place, health_monitor_id)


async def list_by_load_balancer(tx: Tx, load_balancer_id: str) -> list[HealthMonitor]:
    """Return the health monitors of a load balancer, oldest first."""
    return await TABLE.find(tx, "load_balancer_id = :id ORDER BY created_at, id", id=load_balancer_id)


async def find_by_pool(tx: Tx, pool_id: str) -> HealthMonitor | None:
    """Return the health monitor of a pool, or None."""
    return await TABLE.find_one(tx, "pool_id = :id", id=pool_id)


async def require_by_pool(tx: Tx, pool_id: str) -> HealthMonitor:
    """Return the health monitor of a pool. Raises NotFound."""
    monitor = await find_by_pool(tx, pool_id)
    if monitor is None:
        raise NotFound(f"Pool {pool_id} has no health monitor")
    return monitor


async def list_by_pools(tx: Tx, pool_ids: Sequence[str]) -> dict[str, HealthMonitor]:
    """Return the health monitors of pools, by pool."""
    marks, parameters = in_list_placeholders("pool_id", pool_ids)
    return {monitor.pool_id: monitor for monitor in await TABLE.find(tx, f"pool_id IN ({marks})", **parameters)}
