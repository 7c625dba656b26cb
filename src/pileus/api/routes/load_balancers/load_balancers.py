"""Routes of load balancers."""

from litestar import delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.load_balancers.driver_limits import check_balancing_is_possible, check_listeners_are_offered
from pileus.api.routes.load_balancers.load_balancer_views import (
    StatusFilter,
    ViewOptions,
    build_load_balancer_views,
    read_load_balancer_view,
    read_page,
)
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.load_balancers.load_balancer_requests import (
    CreateLoadBalancer,
    FailOverLoadBalancer,
    ResizeLoadBalancer,
    UpdateLoadBalancer,
    UpdateLoadBalancerRecord,
)
from pileus.api.wire.load_balancers.load_balancers import (
    LoadBalancerOrder,
    LoadBalancerView,
    OperatingStatusName,
    ProvisioningStatusName,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.load_balancers import load_balancers as load_balancer_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers.load_balancers import LoadBalancerFilter

PLACE = "loadbalancers/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{load_balancer_id:str}}"
ONE_V2 = f"/cloud/v2/{PLACE}/{{load_balancer_id:str}}"
TAGS = ["Load Balancers"]


def provide_load_balancer_filter(
    tag_filter: TagFilterParameter,
    name: FromQuery[str | None] = None,
    provisioning_status: FromQuery[ProvisioningStatusName | None] = None,
    assigned_floating: FromQuery[bool | None] = None,
    logging_enabled: FromQuery[bool | None] = None,
) -> LoadBalancerFilter:
    """Read the filter of a list from its query parameters."""
    return LoadBalancerFilter(
        name=name,
        provisioning_status=provisioning_status,
        has_floating_ip=assigned_floating,
        logging_enabled=logging_enabled,
        tag_keys=tag_filter.keys,
        tag_pairs=tag_filter.pairs,
    )


FILTER_DEPENDENCIES = {"load_balancer_filter": Provide(provide_load_balancer_filter, sync_to_thread=False)}


@get(ALL, opt=READ, dependencies=FILTER_DEPENDENCIES, tags=TAGS)
async def list_load_balancers(
    ctx: Ctx,
    load_balancer_filter: NamedDependency[LoadBalancerFilter],
    operating_status: FromQuery[OperatingStatusName | None] = None,
    order_by: FromQuery[LoadBalancerOrder] = "created_at.desc",
    show_stats: FromQuery[bool] = False,  # a query parameter
    with_ddos: FromQuery[bool] = False,  # a query parameter
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[LoadBalancerView]:
    """List load balancers, the newest first.

    `stats` and `ddos_profile` are null unless `show_stats` and `with_ddos` are true.
    """
    ctx.require_region()
    options = ViewOptions(show_stats=show_stats, with_ddos=with_ddos)
    status_filter = StatusFilter(operating_status=operating_status, order_by=order_by)

    async def read(tx: Tx, observations: Observations) -> Page[LoadBalancerView]:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await read_page(
            tx, ctx, observations, place, load_balancer_filter, status_filter, limit=limit, offset=offset
        )
        views = await build_load_balancer_views(tx, ctx, observations, records, options)
        return Page(count=count, results=views)

    return await read_observed(ctx, ctx.db.scan, read)


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_load_balancer(ctx: Ctx, data: JSONBody[CreateLoadBalancer]) -> TaskIds:
    """Create a load balancer, with listeners if they are given.

    Its address is in `vip_network_id`, or in the subnet `vip_subnet_id` of that network; or it is the reserved fixed IP
    `vip_port_id`, which stays reserved when the load balancer is deleted; or else a new public address. Each of its two
    machines takes an address of the subnet too. A `floating_ip` needs an IPv4 address in a private network with a
    router. Without `flavor` it has the smallest one. If the task fails, nothing remains. If the driver of the region
    has no load balancers, the answer is 501.
    """
    order = data.to_new_load_balancer()
    await check_balancing_is_possible(ctx)
    check_listeners_are_offered(ctx, order.listeners)
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_service.create_load_balancer(
            tx, ctx, order, task_id, audit_data=to_builtins(data)
        )
    )


@get(ONE, opt=READ, tags=TAGS)
async def get_load_balancer(
    ctx: Ctx,
    load_balancer_id: FromPath[str],
    show_stats: FromQuery[bool] = False,  # a query parameter
    with_ddos: FromQuery[bool] = False,  # a query parameter
) -> LoadBalancerView:
    """Get a load balancer with its addresses and the ids of its listeners."""
    return await read_load_balancer_view(ctx, load_balancer_id, ViewOptions(show_stats=show_stats, with_ddos=with_ddos))


@patch(ONE_V2, opt=WRITE, status_code=200, tags=TAGS)
async def update_load_balancer(
    ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[UpdateLoadBalancer]
) -> TaskIds:
    """Change the name, connectivity, logging, administrative state or tags of a load balancer, in a task.

    The body is a JSON merge patch (RFC 7386).
    """
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_service.update_load_balancer(
            tx, ctx, load_balancer_id, data.to_patch(), task_id
        )
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=TAGS)
async def update_load_balancer_record(
    ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[UpdateLoadBalancerRecord]
) -> LoadBalancerView:
    """Change the name, connectivity, logging or tags of a load balancer at once, by JSON merge patch (RFC 7386).

    Deprecated: use version 2.
    """
    await ctx.write(
        lambda tx: load_balancer_service.update_load_balancer_record(tx, ctx, load_balancer_id, data.to_patch())
    )
    return await read_load_balancer_view(ctx, load_balancer_id)


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_load_balancer(ctx: Ctx, load_balancer_id: FromPath[str]) -> TaskIds:
    """Delete a load balancer with its listeners, pools and all other parts.

    Its floating IPs stay, unassigned, and so does its address if that is a reserved fixed IP.
    """
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_service.delete_load_balancer(tx, ctx, load_balancer_id, task_id)
    )


@post(f"{ONE}/failover", opt=WRITE, status_code=200, tags=TAGS)
async def fail_over_load_balancer(
    ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[FailOverLoadBalancer]
) -> TaskIds:
    """Replace the machines of a load balancer. All connections end.

    The provisioning status must be ACTIVE or ERROR, unless `force` is true.
    """
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_service.fail_over_load_balancer(
            tx, ctx, load_balancer_id, task_id, force=data.force
        )
    )


@post(f"{ONE}/resize", opt=WRITE, status_code=200, tags=TAGS)
async def resize_load_balancer(
    ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[ResizeLoadBalancer]
) -> TaskIds:
    """Give a load balancer another flavor. Its machines are replaced, and all connections end."""
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_service.resize_load_balancer(tx, ctx, load_balancer_id, data.flavor, task_id)
    )


ROUTES = [
    list_load_balancers, create_load_balancer, get_load_balancer, update_load_balancer, update_load_balancer_record,
    delete_load_balancer, fail_over_load_balancer, resize_load_balancer,
]  # fmt: skip
