"""What volumes and snapshots would cost."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.prices import ItemPrice, PriceVolume
from pileus.api.wire.storage.snapshots import PriceSnapshot
from pileus.domain.account import prices
from pileus.domain.errors import invalid
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes

DEFAULT_TYPE = "standard"


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/volumes", opt=READ, status_code=200, tags=["Volumes"])
async def preview_volume_price(ctx: Ctx, data: JSONBody[PriceVolume]) -> ItemPrice:
    """Tell what a volume would cost, without making it; one from a snapshot has its size and type by default."""
    types = ctx.catalogue.volume_types_of(ctx.region())
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
        size, type_name = await _wanted(tx, ctx, data)
    if type_name not in types:
        raise invalid(type_name=f"There is no volume type {type_name} in this region")
    return ItemPrice.of(prices.of_volume(ctx.catalogue, size, type_name), ctx.catalogue)


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/snapshots", opt=READ, status_code=200, tags=["Snapshots"])
async def preview_snapshot_price(ctx: Ctx, data: JSONBody[PriceSnapshot]) -> ItemPrice:
    """Tell what a snapshot of a volume would cost, without taking it."""
    ctx.region()
    async with ctx.db.read() as tx:
        volume = await volumes.get(tx, await projects.require(tx, ctx.place), data.volume_id)
    return ItemPrice.of(prices.of_snapshot(ctx.catalogue, volume.size), ctx.catalogue)


async def _wanted(tx: Tx, ctx: RequestContext, data: PriceVolume) -> tuple[int, str]:
    """Size and type."""
    if data.source != "snapshot":
        if data.size is None:
            raise invalid(size="Field required")
        return data.size, data.type_name or DEFAULT_TYPE
    if data.snapshot_id is None:
        raise invalid(snapshot_id="Field required")
    snapshot = await snapshots.get(tx, ctx.place, data.snapshot_id)
    origin = await volumes.find(tx, snapshot.volume_id)
    return data.size or snapshot.size, data.type_name or (origin.type_name if origin else DEFAULT_TYPE)


ROUTES = [preview_volume_price, preview_snapshot_price]
