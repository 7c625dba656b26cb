"""Routes of flavors, capacity and limits of bare metal servers."""

from collections.abc import Iterable, Mapping

from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody
from msgspec import Struct, structs
from msgspec.structs import replace

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.routes.compute.instance_reads import find_exceeded_quotas
from pileus.api.wire.account.quota_requests import InstanceQuotaCheckRequest
from pileus.api.wire.account.quotas import ExceededQuotas
from pileus.api.wire.compute.baremetal import ServerCapacity
from pileus.api.wire.compute.baremetal_requests import ListFlavorsForServer, ServerQuotaCheckRequest
from pileus.api.wire.compute.flavors import BaremetalFlavor
from pileus.api.wire.paging import Page
from pileus.domain.account import quota_checks
from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import invalid, not_found
from pileus.store.account import projects, quota_usage, quotas
from pileus.store.compute import capacities, images
from pileus.store.database import Tx

HERE = "{project_id:int}/{region_id:int}"


class FlavorListOptions(Struct, frozen=True, kw_only=True):
    """Which flavors to list, and which optional fields to show."""

    disabled: bool = False
    excluded_os_types: tuple[str, ...] = ()
    capacity: bool = False
    prices: bool = False
    reserved_capacity: bool = False


def parse_flavor_list_options(
    disabled: FromQuery[bool] = True,
    exclude_linux: FromQuery[bool] = False,
    exclude_windows: FromQuery[bool] = False,
    include_capacity: FromQuery[bool] = False,
    include_prices: FromQuery[bool] = False,
    include_reservation_stock: FromQuery[bool] = False,
) -> FlavorListOptions:
    """Read the query parameters of a list of flavors."""
    return FlavorListOptions(
        disabled=disabled,
        excluded_os_types=("linux",) * exclude_linux + ("windows",) * exclude_windows,
        capacity=include_capacity,
        prices=include_prices,
        reserved_capacity=include_reservation_stock,
    )


LIST_DEPENDENCIES = {"options": Provide(parse_flavor_list_options, sync_to_thread=False)}


@get(f"/cloud/v1/bmflavors/{HERE}", opt=READ, dependencies=LIST_DEPENDENCIES, tags=["Bare Metal"])
async def list_server_flavors(
    ctx: Ctx, options: NamedDependency[FlavorListOptions], limit: Limit = 1000, offset: Offset = 0
) -> Page[BaremetalFlavor]:
    """List the flavors of bare metal servers, without disabled ones if `disabled` is false.

    `include_capacity` adds the number of servers that can still be created, if capacity or a quota limits it.
    """
    return await _page(ctx, options, limit, offset)


@get("/cloud/v1/bmflavors/{region_id:int}", opt=READ, dependencies=LIST_DEPENDENCIES, tags=["Bare Metal"])
async def list_region_server_flavors(
    ctx: Ctx,
    options: NamedDependency[FlavorListOptions],
    client_id: FromQuery[Id | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[BaremetalFlavor]:
    """List the flavors of bare metal servers in a region. `client_id` must be your own."""
    if client_id not in (None, ctx.caller.client_id):
        raise not_found("Client", client_id)
    return await _page(ctx, options, limit, offset)


@post(f"/cloud/v1/bminstances/{HERE}/available_flavors", opt=READ, status_code=200, tags=["Bare Metal"])
async def list_flavors_for_server(
    ctx: Ctx, data: JSONBody[ListFlavorsForServer], include_prices: FromQuery[bool] = False
) -> Page[BaremetalFlavor]:
    """List the flavors of bare metal servers that can boot an image or app template."""
    async with ctx.db.read() as tx:
        await _check_place(tx, ctx)
        template = ctx.catalogue.app_template(data.apptemplate_id) if data.apptemplate_id else None
        if data.apptemplate_id and template is None:
            raise not_found("App template", data.apptemplate_id)
        source_id = data.image_id or (
            derive_public_image_id(ctx.place.region_id, template.image_name) if template else None
        )
        image = await images.get(tx, ctx.place, source_id) if source_id else None
    fitting = [
        flavor
        for flavor in _server_flavors(ctx)
        if not flavor.disabled and not boot_misfit_reason(flavor, image, template)
    ]
    options = FlavorListOptions(prices=include_prices)
    return Page(count=len(fitting), results=_flavor_views(ctx, fitting, options, {}))


@get(f"/cloud/v1/bmcapacity/{HERE}", opt=READ, tags=["Bare Metal"])
async def get_server_capacity(ctx: Ctx) -> ServerCapacity:
    """Get the number of servers of each flavor that can still be created, if capacity or a quota limits it."""
    return await _capacity_view(ctx)


@get("/cloud/v2/bmcapacity/{region_id:int}", opt=READ, tags=["Bare Metal"])
async def get_region_server_capacity(ctx: Ctx) -> ServerCapacity:
    """Get the number of servers of each flavor that can still be created in a region.

    A flavor is left out if neither capacity nor a quota limits it.
    """
    return await _capacity_view(ctx)


@post(f"/cloud/v1/bminstances/{HERE}/check_limits", opt=READ, status_code=200, tags=["Bare Metal"])
async def check_server_limits(ctx: Ctx, data: JSONBody[ServerQuotaCheckRequest]) -> ExceededQuotas:
    """Check which quotas new bare metal servers would exceed.

    The response holds the requested amount, the limit and the usage of each exceeded quota; it is `{}` if there is
    none.
    """
    if data.flavor is not None and data.flavor not in {flavor.id for flavor in _server_flavors(ctx)}:
        raise invalid(flavor=f"There is no flavor {data.flavor} for this kind of server")
    return await find_exceeded_quotas(ctx, InstanceQuotaCheckRequest(**structs.asdict(data)))


async def _page(ctx: RequestContext, options: FlavorListOptions, limit: int, offset: int) -> Page[BaremetalFlavor]:
    async with ctx.db.scan() as tx:
        await _check_place(tx, ctx)
        capacity = await _count_remaining_capacity(tx, ctx) if options.capacity else {}
    flavors = [
        flavor
        for flavor in _server_flavors(ctx)
        if flavor.os_type not in options.excluded_os_types and (options.disabled or not flavor.disabled)
    ]
    views = _flavor_views(ctx, flavors[offset : offset + limit], options, capacity)
    return Page(count=len(flavors), results=views)


async def _capacity_view(ctx: RequestContext) -> ServerCapacity:
    async with ctx.db.scan() as tx:
        await _check_place(tx, ctx)
        capacity = await _count_remaining_capacity(tx, ctx)
    return ServerCapacity(
        capacity={flavor_id: count for flavor_id, count in capacity.items() if count is not None},
        reserved_capacity=dict.fromkeys(capacity, 0),
    )


async def _check_place(tx: Tx, ctx: RequestContext) -> None:
    """Raise NotFound if the region does not exist, or the project of the path, if it names one."""
    ctx.require_region()
    if ctx.place.project_id:
        await projects.require_existing(tx, ctx.place)


async def _count_remaining_capacity(tx: Tx, ctx: RequestContext) -> dict[str, int | None]:
    """Return how many servers of each flavor capacity and quotas still allow; None if there is no limit."""
    left = await capacities.count_free_servers_by_flavor(tx, ctx.place.client_id, ctx.place.region_id)
    used = await quota_usage.count_by_quota(tx, ctx.place, ctx.catalogue)
    limits = await quotas.get_limits(tx, ctx.place, ctx.catalogue)
    return {
        flavor.id: 0
        if flavor.disabled
        else quota_checks.count_units_that_fit(limits, used, flavor.quota_counts_per_server, left.get(flavor.id))
        for flavor in _server_flavors(ctx)
    }


def _server_flavors(ctx: RequestContext) -> list[Flavor]:
    return [flavor for flavor in ctx.catalogue.flavors if flavor.kind == InstanceKind.BAREMETAL]


def _flavor_views(
    ctx: RequestContext, flavors: Iterable[Flavor], options: FlavorListOptions, capacity: Mapping[str, int | None]
) -> list[BaremetalFlavor]:
    views = []
    for flavor in flavors:
        view = BaremetalFlavor.of(flavor)
        if options.capacity:
            view = replace(view, capacity=capacity[flavor.id])
        if options.reserved_capacity:
            view = replace(view, reserved_capacity=0)
        views.append(view.with_price(flavor, ctx.catalogue.currency) if options.prices else view)
    return views


ROUTES = [
    list_server_flavors,
    list_region_server_flavors,
    list_flavors_for_server,
    get_server_capacity,
    get_region_server_capacity,
    check_server_limits,
]
