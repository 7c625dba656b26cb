"""What lifecycle policies would use and cost, if all the snapshots that they keep were there."""

from collections.abc import Iterable

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.storage.lifecycle_policies import ALL
from pileus.api.wire.account.prices import ItemPrice
from pileus.api.wire.storage.lifecycle_policies import CreateLifecyclePolicy, PolicyPrice, PolicyUsage, PricePolicy
from pileus.domain.account import prices
from pileus.domain.account.prices import Price
from pileus.domain.errors import invalid
from pileus.domain.storage.schedules import most_kept
from pileus.domain.storage.volumes import Volume
from pileus.store.account import projects
from pileus.store.storage import volumes

PRICE = "pricing/{project_id:int}/{region_id:int}/lifecycle_policy"


@post(f"{ALL}/estimate_max_policy_usage", opt=READ, status_code=200, tags=["Snapshot Schedules"])
async def estimate_policy_usage(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> PolicyUsage:
    """Tell how many snapshots a policy would keep at most, how much room they need and what they cost."""
    named, kept = await _volumes(ctx, data.volume_ids), _kept(ctx, data)
    size = kept * sum(volume.size for volume in named)
    return PolicyUsage(
        max_volume_snapshot_count_usage=kept * len(named),
        max_volume_snapshot_size_usage=size,
        max_volume_snapshot_sequence_length=kept,
        max_cost=ItemPrice.of(prices.of_snapshot(ctx.catalogue, size), ctx.catalogue),
    )


@post(f"/cloud/v1/{PRICE}", opt=READ, status_code=200, deprecated=True, tags=["Snapshot Schedules"])
async def preview_policy_price(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> ItemPrice:
    """Tell what a policy would cost at most; version 2 tells it by the type of the volumes."""
    size = _kept(ctx, data) * sum(volume.size for volume in await _volumes(ctx, data.volume_ids))
    return ItemPrice.of(prices.of_snapshot(ctx.catalogue, size), ctx.catalogue)


@post(f"/cloud/v2/{PRICE}", opt=READ, status_code=200, tags=["Snapshot Schedules"])
async def preview_policy_price_by_type(ctx: Ctx, data: JSONBody[PricePolicy]) -> PolicyPrice:
    """Tell what a policy would cost at most, by the type of the volumes."""
    if len(set(data.volume_ids)) < len(data.volume_ids):
        raise invalid(volume_ids="A volume is named twice")
    catalogue, costs, kept = ctx.catalogue, dict[str, Price](), _kept(ctx, data)
    for volume in await _volumes(ctx, data.volume_ids):
        cost = prices.of_snapshot(catalogue, kept * volume.size)
        costs[volume.type_name] = costs.get(volume.type_name, Price()) + cost
    return PolicyPrice.of(costs, catalogue)


async def _volumes(ctx: RequestContext, volume_ids: Iterable[str]) -> list[Volume]:
    ctx.region()
    async with ctx.db.read() as tx:
        place = await projects.require(tx, ctx.place)
        return [await volumes.get(tx, place, volume_id) for volume_id in dict.fromkeys(volume_ids)]


def _kept(ctx: RequestContext, data: CreateLifecyclePolicy | PricePolicy) -> int:
    return most_kept(schedule.asked(ctx.now()) for schedule in data.schedules)


ROUTES = [estimate_policy_usage, preview_policy_price, preview_policy_price_by_type]
