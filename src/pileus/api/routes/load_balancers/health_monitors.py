"""Routes of the health monitors of pools."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.load_balancers.driver_limits import check_monitor_is_offered
from pileus.api.routes.load_balancers.pool_views import read_health_monitor
from pileus.api.wire.load_balancers.pool_requests import CreateHealthMonitor, UpdateHealthMonitor
from pileus.api.wire.load_balancers.pools import HealthMonitorView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.domain.load_balancers.operating_statuses import part_status
from pileus.services.load_balancers import health_monitors as health_monitor_service
from pileus.store.load_balancers import health_monitors

ONE = "/cloud/v1/lbpools/{project_id:int}/{region_id:int}/{pool_id:str}/healthmonitor"
TAGS = ["Load Balancers"]


@get(ONE, opt=READ, tags=TAGS)
async def get_health_monitor(ctx: Ctx, pool_id: FromPath[str]) -> HealthMonitorView:
    """Get the health monitor of a pool. If it has none, the answer is 404."""
    monitor = await read_health_monitor(ctx, pool_id)
    return HealthMonitorView.of(monitor, part_status(monitor))


@post(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def create_health_monitor(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[CreateHealthMonitor]) -> TaskIds:
    """Create the health monitor of a pool. If it has one, the answer is 409.

    A check must end before the next one begins: `timeout` is less than `delay`. UDP pools take UDP-CONNECT, TCP and
    HTTP; other pools take all but UDP-CONNECT. Only monitors of type HTTP and HTTPS have `http_method`, `url_path`,
    `expected_codes`, `http_version` and `domain_name`, which needs version 1.1.
    """
    settings = data.to_monitor_settings()
    check_monitor_is_offered(ctx, settings.type)
    return await ctx.submit_task(
        lambda tx, task_id: health_monitor_service.create_health_monitor(tx, ctx, pool_id, settings, task_id)
    )


@patch(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def update_health_monitor(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[UpdateHealthMonitor]) -> TaskIds:
    """Change the health monitor of a pool. Absent fields stay; null stands for the default of the type.

    The type cannot be changed: delete the monitor, and create another one.
    """
    return await ctx.submit_task(
        lambda tx, task_id: health_monitor_service.update_health_monitor(
            tx, ctx, pool_id, data.to_monitor_patch(), task_id
        )
    )


@delete(ONE, opt=WRITE, status_code=204, tags=TAGS)
async def delete_health_monitor(ctx: Ctx, pool_id: FromPath[str]) -> None:
    """Delete the health monitor of a pool. Waits up to 25 seconds for the task."""
    task_id = ctx.new_ordered_id()
    await ctx.write(lambda tx: health_monitor_service.delete_health_monitor(tx, ctx, pool_id, task_id))
    if await ctx.wait_for_task(task_id):
        await _check_deleted(ctx, pool_id, task_id)


async def _check_deleted(ctx: RequestContext, pool_id: str, task_id: str) -> None:
    """Raise Conflict if the monitor still exists, because its task has failed."""
    async with ctx.db.read() as tx:
        monitor = await health_monitors.find_by_pool(tx, pool_id)
    if monitor is not None:
        raise Conflict(f"The health monitor of pool {pool_id} was not deleted: see the error of task {task_id}")


ROUTES = [get_health_monitor, create_health_monitor, update_health_monitor, delete_health_monitor]
