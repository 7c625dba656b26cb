"""Routes of pools."""

from functools import partial

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.driver_limits import check_monitor_is_offered, check_pool_is_offered
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.routes.load_balancers.pool_views import build_listed_pool_views, read_pool_view
from pileus.api.tag_filters import LegacyQuery
from pileus.api.wire.load_balancers.pool_requests import CreatePool, UpdatePool
from pileus.api.wire.load_balancers.pools import ListedPoolView, PoolView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.load_balancers.monitor_settings import MonitorSettings
from pileus.services.load_balancers import pools as pool_service
from pileus.services.load_balancers.pools import PoolChange
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers import pools

PLACE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/lbpools/{PLACE}"
ONE = f"{ALL}/{{pool_id:str}}"
TAGS = ["Load Balancers"]


@get(ALL, opt=READ, tags=TAGS)
async def list_pools(
    ctx: Ctx,
    load_balancer_id: FromQuery[str | None] = None,
    loadbalancer_id: LegacyQuery[str | None] = None,
    listener_id: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    details: FromQuery[bool] = False,  # a query parameter
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListedPoolView]:
    """List pools, the newest first, of one load balancer or listener if these are given.

    Members are shown as ids, and health monitors as null, unless `details` is true.
    """
    ctx.require_region()
    parent_id = load_balancer_id or loadbalancer_id

    async def read(tx: Tx, observations: Observations) -> Page[ListedPoolView]:
        place = await projects.require_existing(tx, ctx.place)
        find_page = partial(pools.page, load_balancer_id=parent_id, listener_id=listener_id, name=name)
        count, records = await find_page(tx, place, limit=limit, offset=offset)
        views = await build_listed_pool_views(tx, ctx, observations, records, details=details)
        return Page(count=count, results=views)

    return await read_observed(ctx, ctx.db.scan, read)


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_pool(ctx: Ctx, data: JSONBody[CreatePool]) -> TaskIds:
    """Create a pool, with members and a health monitor if they are given.

    With `listener_id` the pool is the default pool of the listener, which must not have one. With `load_balancer_id`
    alone no listener uses it until a listener or an L7 policy names it. Its protocol must be one that the listener can
    use; HTTPS pools of listeners that terminate TLS need a secret. While a task works on the load balancer, the answer
    is 409.
    """
    load_balancer_id = data.load_balancer_id or data.loadbalancer_id
    order = data.to_new_pool()
    check_pool_is_offered(ctx, order)
    return await ctx.submit_task(
        lambda tx, task_id: pool_service.create_pool(
            tx, ctx, order, task_id, listener_id=data.listener_id, load_balancer_id=load_balancer_id
        )
    )


@get(ONE, opt=READ, tags=TAGS)
async def get_pool(ctx: Ctx, pool_id: FromPath[str]) -> PoolView:
    """Get a pool with its members and its health monitor."""
    return await read_pool_view(ctx, pool_id)


@patch(f"/cloud/v2/lbpools/{PLACE}/{{pool_id:str}}", opt=WRITE, status_code=200, tags=TAGS)
async def update_pool(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[UpdatePool]) -> TaskIds:
    """Change a pool. Absent fields stay; `members`, `healthmonitor` and `session_persistence` are replaced as a whole.

    Members that keep address and port keep their ids. Null removes the health monitor or the session persistence. If
    nothing changes, no task is started.
    """
    return await _start_update(ctx, pool_id, data)


@patch(ONE, opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def update_pool_v1(ctx: Ctx, pool_id: FromPath[str], data: JSONBody[UpdatePool]) -> TaskIds:
    """Change a pool like version 2, which takes its place."""
    return await _start_update(ctx, pool_id, data)


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_pool(ctx: Ctx, pool_id: FromPath[str]) -> TaskIds:
    """Delete a pool with its members and its health monitor. Listeners that use it then have no default pool.

    While an L7 policy redirects to the pool, the answer is 409.
    """
    return await ctx.submit_task(lambda tx, task_id: pool_service.delete_pool(tx, ctx, pool_id, task_id))


async def _start_update(ctx: RequestContext, pool_id: str, data: UpdatePool) -> TaskIds:
    change = PoolChange(
        patch=data.to_pool_patch(), members=data.to_new_members(), health_monitor=data.to_monitor_replacement()
    )
    if isinstance(change.health_monitor, MonitorSettings):
        check_monitor_is_offered(ctx, change.health_monitor.type)
    return await ctx.submit_task(lambda tx, task_id: pool_service.update_pool(tx, ctx, pool_id, task_id, change))


ROUTES = [list_pools, create_pool, get_pool, update_pool, update_pool_v1, delete_pool]
