"""Routes of the statuses and metrics of load balancers."""

from collections.abc import Sequence

from litestar import get, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.api.routes.load_balancers.load_balancers import ALL, ONE, TAGS
from pileus.api.routes.load_balancers.observations import (
    Observations,
    read_observed,
    require_load_balancer_driver,
)
from pileus.api.routes.load_balancers.operating_statuses import read_load_balancer_statuses, read_pool_contents
from pileus.api.wire.compute.metric_requests import MetricsRequest
from pileus.api.wire.load_balancers.metrics import LoadBalancerMetricsSample
from pileus.api.wire.load_balancers.statuses import LoadBalancerStatusView
from pileus.api.wire.paging import Page
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.operating_statuses import part_status
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers, trees
from pileus.store.loop_turns import take_turn_for


@get(f"{ALL}/status", opt=READ, tags=TAGS)
async def list_load_balancer_statuses(ctx: Ctx) -> Page[LoadBalancerStatusView]:
    """List the statuses of all load balancers and of their listeners, pools, members and health monitors."""
    ctx.require_region()

    async def read(tx: Tx, observations: Observations) -> Page[LoadBalancerStatusView]:
        place = await projects.require_existing(tx, ctx.place)
        views = await _build_views(tx, ctx, observations, await load_balancers.list_all(tx, place))
        return Page(count=len(views), results=views)

    return await read_observed(ctx, ctx.db.scan, read)


@get(f"{ONE}/status", opt=READ, tags=TAGS)
async def get_load_balancer_status(ctx: Ctx, load_balancer_id: FromPath[str]) -> LoadBalancerStatusView:
    """Get the statuses of a load balancer and of its parts. Pools that no listener uses are not shown."""

    async def read(tx: Tx, observations: Observations) -> LoadBalancerStatusView:
        load_balancer = await load_balancers.get(tx, ctx.place, load_balancer_id)
        (view,) = await _build_views(tx, ctx, observations, [load_balancer])
        return view

    return await read_observed(ctx, ctx.db.read, read)


@post(f"{ONE}/metrics", opt=READ, status_code=200, tags=TAGS)
async def list_load_balancer_metrics(
    ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[MetricsRequest]
) -> Page[LoadBalancerMetricsSample]:
    """List the load of a load balancer in the last hours or days, since its creation."""
    async with ctx.db.read() as tx:
        load_balancer = await load_balancers.get(tx, ctx.place, load_balancer_id)
    period = data.period(ctx.now(), load_balancer.created_at)
    with translate_driver_errors():
        samples = await require_load_balancer_driver(ctx).load_balancer_samples(load_balancer_id, *period)
    return Page(count=len(samples), results=[LoadBalancerMetricsSample.of(sample) for sample in samples])


async def _build_views(
    tx: Tx, ctx: RequestContext, observations: Observations, records: Sequence[LoadBalancer]
) -> list[LoadBalancerStatusView]:
    tags_by_id = await tags.list_by_resources(tx, [record.id for record in records])
    balancer_statuses = await read_load_balancer_statuses(tx, ctx, observations, records)
    views = []
    for tree in await trees.load_all(tx, records):
        await take_turn_for(len(records))
        statuses: dict[str, str] = {**balancer_statuses}
        for listener in tree.parts.listeners:
            statuses[listener.id] = part_status(listener)
        for contents in await read_pool_contents(tx, ctx, observations, tree.parts.pools):
            statuses |= contents.statuses
        views.append(LoadBalancerStatusView.of(tree, tags_by_id[tree.load_balancer.id], statuses))
    return views


ROUTES = [list_load_balancer_statuses, get_load_balancer_status, list_load_balancer_metrics]
