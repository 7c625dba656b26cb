"""What volumes and snapshots would cost."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import READ
from pileus.api.context import Context, RequestContext
from pileus.api.wire.account.prices import ItemPrice, PriceVolume
from pileus.api.wire.storage.snapshots import PriceSnapshot
from pileus.domain.account import prices
from pileus.domain.errors import invalid
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes

DEFAULT_TYPE = "standard"


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/volumes", opt=READ, status_code=200, tags=["Volumes"])
async def preview_volume_price(call: Context, data: JSONBody[PriceVolume]) -> ItemPrice:
    """Tell what a volume would cost, without making it; one from a snapshot has its size and type by default."""
    types = call.app.catalogue.volume_types_of(call.region())
    async with call.db.read() as tx:
        await projects.require(tx, call.place)
        size, type_name = await _wanted(tx, call, data)
    if type_name not in types:
        raise invalid(type_name=f"There is no volume type {type_name} in this region")
    return ItemPrice.of(prices.of_volume(call.app.catalogue, size, type_name), call.app.catalogue)


@post("/cloud/v1/pricing/{project_id:int}/{region_id:int}/snapshots", opt=READ, status_code=200, tags=["Snapshots"])
async def preview_snapshot_price(call: Context, data: JSONBody[PriceSnapshot]) -> ItemPrice:
    """Tell what a snapshot of a volume would cost, without taking it."""
    call.region()
    async with call.db.read() as tx:
        volume = await volumes.get(tx, await projects.require(tx, call.place), data.volume_id)
    return ItemPrice.of(prices.of_snapshot(call.app.catalogue, volume.size), call.app.catalogue)


async def _wanted(tx: Tx, call: RequestContext, data: PriceVolume) -> tuple[int, str]:
    """Size and type."""
    if data.source != "snapshot":
        if data.size is None:
            raise invalid(size="Field required")
        return data.size, data.type_name or DEFAULT_TYPE
    if data.snapshot_id is None:
        raise invalid(snapshot_id="Field required")
    snapshot = await snapshots.get(tx, call.place, data.snapshot_id)
    origin = await volumes.find(tx, snapshot.volume_id)
    return data.size or snapshot.size, data.type_name or (origin.type_name if origin else DEFAULT_TYPE)


ROUTES = [preview_volume_price, preview_snapshot_price]
