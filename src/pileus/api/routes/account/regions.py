"""Regions, read from the catalogue."""

from collections.abc import Callable
from typing import Literal

from litestar import get
from litestar.params import FromQuery
from msgspec.structs import replace

from pileus.api.authorization import READ
from pileus.api.context import AppState, Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.regions import RegionView
from pileus.api.wire.paging import Page
from pileus.domain.account.regions import Region
from pileus.drivers.protocols.network import SupportsDdosProtection
from pileus.drivers.protocols.storage import LimitsFileShares, SupportsFileShares

Order = Literal["created_at.asc", "created_at.desc", "display_name.asc", "display_name.desc"]
Product = Literal["containers", "inference"]
SORTS: dict[str, Callable[[Region], tuple[int | str, int]]] = {
    "created_at": lambda region: (region.created_at, region.id),
    "display_name": lambda region: (region.display_name, region.id),
}
ABILITIES: dict[str, type] = {"has_ddos": SupportsDdosProtection, "has_sfs": SupportsFileShares}
"""What a driver needs for the features of a region."""


@get("/cloud/v1/regions", opt=READ, tags=["Regions"])
async def list_regions(
    ctx: Ctx,
    display_name: FromQuery[str | None] = None,
    product: FromQuery[Product | None] = None,
    show_volume_types: FromQuery[bool] = False,
    order_by: FromQuery[Order] = "created_at.desc",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[RegionView]:
    """List regions. `display_name` matches the whole name, regardless of case.

    No region offers the products `containers` and `inference`, so a list filtered by `product` is empty.
    """
    field, _, direction = order_by.partition(".")
    matching = [] if product else [region for region in ctx.catalogue.regions if _has_name(region, display_name)]
    matching.sort(key=SORTS[field], reverse=direction == "desc")
    return Page(
        count=len(matching),
        results=[
            await _region_view(ctx.app, region, show_volume_types) for region in matching[offset : offset + limit]
        ],
    )


@get("/cloud/v1/regions/{region_id:int}", opt=READ, tags=["Regions"])
async def get_region(ctx: Ctx, show_volume_types: FromQuery[bool] = True) -> RegionView:
    """Get a region, with its volume types unless `show_volume_types` is false."""
    return await _region_view(ctx.app, ctx.require_region(), show_volume_types)


def _has_name(region: Region, display_name: str | None) -> bool:
    return display_name is None or region.display_name.casefold() == display_name.casefold()


async def _region_view(state: AppState, region: Region, with_volume_types: bool) -> RegionView:  # noqa: FBT001  # as sent
    external_network_id = state.catalogue.external_network_id(region.id)
    return RegionView.of(
        await _with_features_of_driver(state, region), external_network_id, with_volume_types=with_volume_types
    )


async def _with_features_of_driver(state: AppState, region: Region) -> Region:
    """Return a region without the features that its driver lacks here, whatever the catalogue says."""
    driver = state.drivers.find(region.id)
    lacks = [feature for feature, ability in ABILITIES.items() if driver and not isinstance(driver, ability)]
    types = [] if "has_sfs" in lacks else region.file_share_types
    if isinstance(driver, LimitsFileShares):
        types = [name for name in types if await driver.find_file_share_obstacle(name) is None]
    if not types:
        lacks.append("has_sfs")
    return replace(region, **dict.fromkeys(lacks, False), file_share_types=types)


ROUTES = [list_regions, get_region]
