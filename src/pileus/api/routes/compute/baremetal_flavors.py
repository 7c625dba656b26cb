"""Flavors of bare metal servers: those on offer, how many more servers of them there can be, and what quotas say."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody
from msgspec import structs
from msgspec.structs import replace

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.routes.compute.instance_prices import exceeded_quotas
from pileus.api.wire.account.limits import CheckLimits, ExceededQuotas
from pileus.api.wire.compute.baremetal import AskServerFlavors, CheckServerLimits, ServerCapacity
from pileus.api.wire.compute.flavors import ServerFlavor
from pileus.api.wire.paging import Page
from pileus.domain.account import quota_checks
from pileus.domain.catalogue import image_id
from pileus.domain.compute.flavors import Flavor, misfit
from pileus.domain.compute.instances import Kind
from pileus.domain.errors import invalid, not_found
from pileus.store.account import projects, quotas, usage
from pileus.store.compute import capacities, images
from pileus.store.database import Tx

HERE = "{project_id:int}/{region_id:int}"


class Asked(NamedTuple):
    """Which flavors are asked for, and what is to be told of them."""

    disabled: bool
    excluded: tuple[str, ...]
    capacity: bool
    prices: bool
    reserved: bool


def asked_flavors(  # each is a parameter of the operation
    disabled: FromQuery[bool] = True,
    exclude_linux: FromQuery[bool] = False,
    exclude_windows: FromQuery[bool] = False,
    include_capacity: FromQuery[bool] = False,
    include_prices: FromQuery[bool] = False,
    include_reservation_stock: FromQuery[bool] = False,
) -> Asked:
    """Gather what is asked of a list of flavors."""
    excluded = ("linux",) * exclude_linux + ("windows",) * exclude_windows
    return Asked(disabled, excluded, include_capacity, include_prices, include_reservation_stock)


ASKED = {"asked": Provide(asked_flavors, sync_to_thread=False)}


@get(f"/cloud/v1/bmflavors/{HERE}", opt=READ, dependencies=ASKED, tags=["Bare Metal"])
async def list_server_flavors(
    ctx: Ctx, asked: NamedDependency[Asked], limit: Limit = 1000, offset: Offset = 0
) -> Page[ServerFlavor]:
    """List the flavors of bare metal servers; those that are disabled too, unless `disabled` is false.

    `include_capacity` tells how many more servers there can be, as far as room or a quota sets an end.
    """
    return await _page(ctx, asked, limit, offset)


@get("/cloud/v1/bmflavors/{region_id:int}", opt=READ, dependencies=ASKED, tags=["Bare Metal"])
async def list_region_server_flavors(
    ctx: Ctx,
    asked: NamedDependency[Asked],
    client_id: FromQuery[Id | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ServerFlavor]:
    """List the flavors of bare metal servers in a region; `client_id` can only be the caller's own."""
    if client_id not in (None, ctx.caller.client_id):
        raise not_found("Client", client_id)
    return await _page(ctx, asked, limit, offset)


@post(f"/cloud/v1/bminstances/{HERE}/available_flavors", opt=READ, status_code=200, tags=["Bare Metal"])
async def list_flavors_for_server(
    ctx: Ctx,
    data: JSONBody[AskServerFlavors],
    include_prices: FromQuery[bool] = False,
) -> Page[ServerFlavor]:
    """List the flavors that a bare metal server made from this image or app template could have."""
    async with ctx.db.read() as tx:
        await _present(tx, ctx)
        template = ctx.catalogue.app_template(data.apptemplate_id) if data.apptemplate_id else None
        if data.apptemplate_id and template is None:
            raise not_found("App template", data.apptemplate_id)
        named = data.image_id or (image_id(ctx.place.region_id, template.image_name) if template else None)
        image = await images.get(tx, ctx.place, named) if named else None
    fitting = [each for each in _offered(ctx) if not each.disabled and not misfit(each, image, template)]
    asked = Asked(disabled=False, excluded=(), capacity=False, prices=include_prices, reserved=False)
    return Page(count=len(fitting), results=_shown(ctx, fitting, asked, {}))


@get(f"/cloud/v1/bmcapacity/{HERE}", opt=READ, tags=["Bare Metal"])
async def get_server_capacity(ctx: Ctx) -> ServerCapacity:
    """Tell how many more servers of each flavor there can be, as far as room or a quota sets an end."""
    return await _capacity(ctx)


@get("/cloud/v2/bmcapacity/{region_id:int}", opt=READ, tags=["Bare Metal"])
async def get_region_server_capacity(ctx: Ctx) -> ServerCapacity:
    """Tell how many more servers of each flavor there can be in a region, as far as room or a quota sets an end."""
    return await _capacity(ctx)


@post(f"/cloud/v1/bminstances/{HERE}/check_limits", opt=READ, status_code=200, tags=["Bare Metal"])
async def check_server_limits(ctx: Ctx, data: JSONBody[CheckServerLimits]) -> ExceededQuotas:
    """Tell which quotas servers would exceed, with what is asked, the limit and what is in use; `{}` if none."""
    if data.flavor is not None and data.flavor not in {flavor.id for flavor in _offered(ctx)}:
        raise invalid(flavor=f"There is no flavor {data.flavor} for this kind of server")
    return await exceeded_quotas(ctx, CheckLimits(**structs.asdict(data)))


async def _page(ctx: RequestContext, asked: Asked, limit: int, offset: int) -> Page[ServerFlavor]:
    async with ctx.db.scan() as tx:
        await _present(tx, ctx)
        room = await _room(tx, ctx) if asked.capacity else {}
    wanted = [each for each in _offered(ctx) if each.os_type not in asked.excluded]
    wanted = [each for each in wanted if asked.disabled or not each.disabled]
    return Page(count=len(wanted), results=_shown(ctx, wanted[offset : offset + limit], asked, room))


async def _capacity(ctx: RequestContext) -> ServerCapacity:
    async with ctx.db.scan() as tx:
        await _present(tx, ctx)
        room = await _room(tx, ctx)
    return ServerCapacity(
        capacity={name: number for name, number in room.items() if number is not None},
        reserved_capacity=dict.fromkeys(room, 0),
    )


async def _present(tx: Tx, ctx: RequestContext) -> None:
    """Return if the region is there, and the project if the path names one; raises NotFound."""
    ctx.region()
    if ctx.place.project_id:
        await projects.require(tx, ctx.place)


async def _room(tx: Tx, ctx: RequestContext) -> dict[str, int | None]:
    """How many more servers of each flavor the region has room for and the tenant's quotas leave."""
    catalogue = ctx.catalogue
    left, used = await capacities.count_left(tx, ctx.place.region_id), await usage.of_place(tx, ctx.place, catalogue)
    allowed = await quotas.limits_of(tx, ctx.place, catalogue)
    return {
        flavor.id: 0
        if flavor.disabled
        else quota_checks.remaining_count(allowed, used, flavor.counts, left.get(flavor.id))
        for flavor in _offered(ctx)
    }


def _offered(ctx: RequestContext) -> list[Flavor]:
    return [flavor for flavor in ctx.catalogue.flavors if flavor.kind == Kind.BAREMETAL]


def _shown(
    ctx: RequestContext, flavors: Iterable[Flavor], asked: Asked, room: Mapping[str, int | None]
) -> list[ServerFlavor]:
    views = []
    for flavor in flavors:
        view = ServerFlavor.of(flavor)
        if asked.capacity:
            view = replace(view, capacity=room[flavor.id])
        if asked.reserved:
            view = replace(view, reserved_capacity=0)
        views.append(view.priced(flavor, ctx.catalogue.currency) if asked.prices else view)
    return views


ROUTES = [
    list_server_flavors, list_region_server_flavors, list_flavors_for_server, get_server_capacity,
    get_region_server_capacity, check_server_limits,
]  # fmt: skip
