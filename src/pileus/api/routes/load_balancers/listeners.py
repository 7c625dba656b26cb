"""Routes of listeners."""

from collections.abc import Sequence

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.driver_limits import check_listener_is_offered
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.tag_filters import LegacyQuery
from pileus.api.wire.load_balancers.listeners import CreateListener, ListenerView, RenameListener, UpdateListener
from pileus.api.wire.load_balancers.stats import StatsView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.operating_statuses import part_status
from pileus.drivers.protocols.load_balancers import BalancedTraffic
from pileus.services.load_balancers import listeners as listener_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners

PLACE = "lblisteners/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{listener_id:str}}"
TAGS = ["Load Balancers"]


@get(ALL, opt=READ, tags=TAGS)
async def list_listeners(
    ctx: Ctx,
    load_balancer_id: FromQuery[str | None] = None,
    loadbalancer_id: LegacyQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    show_stats: FromQuery[bool] = False,  # a query parameter
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListenerView]:
    """List listeners, the newest first, of one load balancer if it is given. `stats` is null unless `show_stats`."""
    ctx.require_region()

    async def read(tx: Tx, observations: Observations) -> Page[ListenerView]:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await listeners.page(
            tx, place, load_balancer_id=load_balancer_id or loadbalancer_id, name=name, limit=limit, offset=offset
        )
        return Page(count=count, results=await _build_views(tx, observations, records, show_stats=show_stats))

    return await read_observed(ctx, ctx.db.scan, read)


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_listener(ctx: Ctx, data: JSONBody[CreateListener]) -> TaskIds:
    """Create a listener of a load balancer.

    Listeners of protocol TERMINATED_HTTPS have a certificate, `secret_id`, and further ones that clients select by name
    (SNI). Two listeners of a load balancer may have the same port only if one of them has protocol UDP. The
    `default_pool_id` is a pool of the same load balancer. While a task works on the load balancer, the answer is 409.
    """
    order = data.to_new_listener()
    check_listener_is_offered(ctx, order)
    return await ctx.submit_task(
        lambda tx, task_id: listener_service.create_listener(
            tx,
            ctx,
            data.effective_load_balancer_id(),
            order,
            data.default_pool_id,
            task_id,
            audit_data=to_builtins(data),
        )
    )


@get(ONE, opt=READ, tags=TAGS)
async def get_listener(
    ctx: Ctx,
    listener_id: FromPath[str],
    show_stats: FromQuery[bool] = False,  # a query parameter
) -> ListenerView:
    """Get a listener."""
    return await _read_view(ctx, listener_id, show_stats=show_stats)


@patch(f"/cloud/v2/{PLACE}/{{listener_id:str}}", opt=WRITE, status_code=200, tags=TAGS)
async def update_listener(ctx: Ctx, listener_id: FromPath[str], data: JSONBody[UpdateListener]) -> TaskIds:
    """Change a listener in a task. Absent fields stay; null stands for the default.

    Protocol, port and default pool cannot be changed. Connections go on.
    """
    return await ctx.submit_task(
        lambda tx, task_id: listener_service.update_listener(tx, ctx, listener_id, data.to_patch(), task_id)
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=TAGS)
async def rename_listener(ctx: Ctx, listener_id: FromPath[str], data: JSONBody[RenameListener]) -> ListenerView:
    """Rename a listener at once. Deprecated: use version 2."""
    await ctx.write(lambda tx: listener_service.rename_listener(tx, ctx, listener_id, data.name))
    return await _read_view(ctx, listener_id, show_stats=False)


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_listener(
    ctx: Ctx,
    listener_id: FromPath[str],
    delete_default_pool: FromQuery[bool] = False,  # a query parameter
) -> TaskIds:
    """Delete a listener with its L7 policies. Its default pool stays, unless `delete_default_pool` is true.

    A pool that an L7 policy of another listener redirects to is not deleted: the answer is 409.
    """
    return await ctx.submit_task(
        lambda tx, task_id: listener_service.delete_listener(
            tx, ctx, listener_id, task_id, with_default_pool=delete_default_pool
        )
    )


async def _read_view(ctx: RequestContext, listener_id: str, *, show_stats: bool) -> ListenerView:
    async def read(tx: Tx, observations: Observations) -> ListenerView:
        listener = await listeners.get(tx, ctx.place, listener_id)
        (view,) = await _build_views(tx, observations, [listener], show_stats=show_stats)
        return view

    return await read_observed(ctx, ctx.db.read, read)


async def _build_views(
    tx: Tx, observations: Observations, records: Sequence[Listener], *, show_stats: bool
) -> list[ListenerView]:
    pool_counts = await listeners.count_pools(tx, [listener.id for listener in records])
    traffic: dict[str, BalancedTraffic] = {}
    if show_stats:
        for load_balancer_id in {listener.load_balancer_id for listener in records}:
            traffic |= observations.traffic_of(load_balancer_id)
    return [
        ListenerView.of(
            listener,
            part_status(listener),
            pool_counts[listener.id],
            StatsView.of(traffic.get(listener.id, BalancedTraffic())) if show_stats else None,
        )
        for listener in records
    ]


ROUTES = [list_listeners, create_listener, get_listener, update_listener, rename_listener, delete_listener]
