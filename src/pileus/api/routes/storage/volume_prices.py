"""Preview the prices of volumes and snapshots."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.price_requests import VolumePriceRequest
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.storage.snapshot_requests import SnapshotPriceRequest
from pileus.domain.account import prices
from pileus.domain.errors import invalid
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes

DEFAULT_TYPE = "standard"


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/volumes", opt=READ, status_code=200, tags=["Volumes"])
async def preview_volume_price(ctx: Ctx, data: JSONBody[VolumePriceRequest]) -> ResourcePrice:
    """Get the price of a volume without creating it.

    The size and the type of a volume from a snapshot default to those of the snapshot.
    """
    types = ctx.catalogue.volume_types_by_name(ctx.require_region())
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
        size, type_name = await _resolve_size_and_type(tx, ctx, data)
    if type_name not in types:
        raise invalid(type_name=f"There is no volume type {type_name} in this region")
    return ResourcePrice.of(prices.volume_price(ctx.catalogue, size, type_name), ctx.catalogue)


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/snapshots", opt=READ, status_code=200, tags=["Snapshots"])
async def preview_snapshot_price(ctx: Ctx, data: JSONBody[SnapshotPriceRequest]) -> ResourcePrice:
    """Get the price of a snapshot of a volume without taking it."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        volume = await volumes.get(tx, await projects.require_existing(tx, ctx.place), data.volume_id)
    return ResourcePrice.of(prices.snapshot_price(ctx.catalogue, volume.size), ctx.catalogue)


async def _resolve_size_and_type(tx: Tx, ctx: RequestContext, data: VolumePriceRequest) -> tuple[int, str]:
    """Return the size in GiB and the type of a volume to price. Raises Invalid or NotFound."""
    if data.source != "snapshot":
        if data.size is None:
            raise invalid(size="Field required")
        return data.size, data.type_name or DEFAULT_TYPE
    if data.snapshot_id is None:
        raise invalid(snapshot_id="Field required")
    snapshot = await snapshots.get(tx, ctx.place, data.snapshot_id)
    volume = await volumes.find(tx, snapshot.volume_id)
    return data.size or snapshot.size, data.type_name or (volume.type_name if volume else DEFAULT_TYPE)


ROUTES = [preview_volume_price, preview_snapshot_price]
