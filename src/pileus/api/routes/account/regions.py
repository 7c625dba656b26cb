"""Regions: where things can be, as the catalogue has them."""

from collections.abc import Callable
from typing import Literal

from litestar import get
from litestar.params import FromQuery

from pileus.api.auth import READ
from pileus.api.context import AppState, Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.regions import RegionView
from pileus.api.wire.paging import Page
from pileus.domain.account.regions import Region

Order = Literal["created_at.asc", "created_at.desc", "display_name.asc", "display_name.desc"]
Product = Literal["containers", "inference"]
SORTS: dict[str, Callable[[Region], tuple[int | str, int]]] = {
    "created_at": lambda region: (region.created_at, region.id),
    "display_name": lambda region: (region.display_name, region.id),
}


@get("/cloud/v1/regions", opt=READ, tags=["Regions"])
async def list_regions(  # each is a parameter of the operation
    ctx: Ctx,
    display_name: FromQuery[str | None] = None,
    product: FromQuery[Product | None] = None,
    show_volume_types: FromQuery[bool] = False,  # a parameter of the operation
    order_by: FromQuery[Order] = "created_at.desc",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[RegionView]:
    """List regions; `display_name` finds one by its name, in letters of any case.

    No region offers the `product`s containers and inference, so a list narrowed to one of them is empty.
    """
    field, _, direction = order_by.partition(".")
    found = [] if product else [region for region in ctx.catalogue.regions if _is_called(region, display_name)]
    found.sort(key=SORTS[field], reverse=direction == "desc")
    return Page(
        count=len(found),
        results=[_shown(ctx.app, region, show_volume_types) for region in found[offset : offset + limit]],
    )


@get("/cloud/v1/regions/{region_id:int}", opt=READ, tags=["Regions"])
async def get_region(ctx: Ctx, show_volume_types: FromQuery[bool] = False) -> RegionView:
    """Show a region, with its volume types if `show_volume_types` is true."""
    return _shown(ctx.app, ctx.region(), show_volume_types)


def _is_called(region: Region, display_name: str | None) -> bool:
    return display_name is None or region.display_name.casefold() == display_name.casefold()


def _shown(cloud: AppState, region: Region, with_volume_types: bool) -> RegionView:  # noqa: FBT001  # as it was asked
    external = cloud.catalogue.external_network_id(region.id)
    return RegionView.of(region, external, with_volume_types=with_volume_types)


ROUTES = [list_regions, get_region]
