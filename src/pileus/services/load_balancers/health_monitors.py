"""Create, update and delete the health monitors of pools."""

from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.load_balancers.monitor_settings import MonitorSettings
from pileus.domain.load_balancers.pool_changes import monitor_with_patch
from pileus.domain.load_balancers.pool_orders import plan_health_monitor
from pileus.domain.load_balancers.task_types import (
    CREATE_HEALTH_MONITOR,
    DELETE_HEALTH_MONITOR,
    UPDATE_HEALTH_MONITOR,
)
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import Task
from pileus.services.load_balancers.changes import new_part_origin, require_changeable_part, start_change
from pileus.store.database import Tx
from pileus.store.load_balancers import health_monitors, pools

AUDIT_GROUP = "lb_health_monitor"


async def create_health_monitor(tx: Tx, ctx: Context, pool_id: str, settings: MonitorSettings, task_id: str) -> Task:
    """Save the monitor of a pool that has none, and start the task that creates it.

    Raises NotFound, Invalid or Conflict.
    """
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    if await health_monitors.find_by_pool(tx, pool_id) is not None:
        raise Conflict(f"Pool {pool_id} has a health monitor already")
    monitor = plan_health_monitor(new_part_origin(ctx, load_balancer), pool, settings)
    return await start_change(
        tx,
        ctx,
        task_id,
        CREATE_HEALTH_MONITOR,
        load_balancer,
        new=Parts(health_monitors=[monitor]),
        before=Parts(pools=[pool]),
        after=Parts(pools=[pool]),
        created={"healthmonitors": [monitor.id]},
        data={"pool_id": pool_id},
        entry=AuditEntry(AUDIT_GROUP, "create", monitor.id, to_builtins(settings)),
    )


async def update_health_monitor(tx: Tx, ctx: Context, pool_id: str, patch: Mapping[str, Any], task_id: str) -> Task:
    """Start the task that changes the monitor of a pool. Raises NotFound, Invalid or Conflict."""
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    monitor = await health_monitors.require_by_pool(tx, pool_id)
    after = monitor_with_patch(monitor, patch, pool.protocol)
    return await start_change(
        tx,
        ctx,
        task_id,
        UPDATE_HEALTH_MONITOR,
        load_balancer,
        before=Parts(pools=[pool], health_monitors=[monitor]),
        after=Parts(pools=[pool], health_monitors=[after]),
        data={"pool_id": pool_id},
        entry=AuditEntry(AUDIT_GROUP, "update", monitor.id, dict(patch)),
    )


async def delete_health_monitor(tx: Tx, ctx: Context, pool_id: str, task_id: str) -> Task:
    """Start the task that deletes the monitor of a pool. Raises NotFound or Conflict."""
    load_balancer, pool = await require_changeable_part(tx, ctx, pools.get, pool_id)
    monitor = await health_monitors.require_by_pool(tx, pool_id)
    return await start_change(
        tx,
        ctx,
        task_id,
        DELETE_HEALTH_MONITOR,
        load_balancer,
        before=Parts(pools=[pool]),
        after=Parts(pools=[pool]),
        deleted=Parts(health_monitors=[monitor]),
        data={"pool_id": pool_id},
        entry=AuditEntry(AUDIT_GROUP, "delete", monitor.id),
    )
