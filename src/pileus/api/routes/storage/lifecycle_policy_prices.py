"""Estimate the usage and the price of lifecycle policies that keep all their snapshots."""

from collections.abc import Iterable

from litestar import post
from litestar.params import JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.storage.lifecycle_policies import ALL
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.storage.lifecycle_policies import LifecyclePolicyPrice, PolicyUsageEstimate
from pileus.api.wire.storage.lifecycle_policy_requests import (
    CreateLifecyclePolicy,
    PolicyPriceRequest,
    to_new_schedules,
)
from pileus.domain.account import prices
from pileus.domain.account.prices import Price
from pileus.domain.errors import invalid
from pileus.domain.storage.schedules import max_snapshots_kept
from pileus.domain.storage.volumes import Volume
from pileus.store.account import projects
from pileus.store.storage import volumes

PRICE = "pricing/{project_id:int}/{region_id:int}/lifecycle_policy"


@post(f"{ALL}/estimate_max_policy_usage", opt=READ, status_code=200, tags=["Snapshot Schedules"])
async def estimate_policy_usage(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> PolicyUsageEstimate:
    """Estimate the maximum number, size and price of the snapshots that a policy keeps."""
    policy_volumes, quantity = await _read_volumes(ctx, data.volume_ids), _max_quantity(ctx, data)
    size = quantity * sum(volume.size for volume in policy_volumes)
    return PolicyUsageEstimate(
        max_volume_snapshot_count_usage=quantity * len(policy_volumes),
        max_volume_snapshot_size_usage=size,
        max_volume_snapshot_sequence_length=quantity,
        max_cost=ResourcePrice.of(prices.snapshot_price(ctx.catalogue, size), ctx.catalogue),
    )


@post(f"/cloud/v1/{PRICE}", opt=READ, status_code=200, deprecated=True, tags=["Snapshot Schedules"])
async def preview_policy_price(ctx: Ctx, data: JSONBody[CreateLifecyclePolicy]) -> ResourcePrice:
    """Get the maximum price of a policy. Deprecated: version 2 returns it by volume type."""
    size = _max_quantity(ctx, data) * sum(volume.size for volume in await _read_volumes(ctx, data.volume_ids))
    return ResourcePrice.of(prices.snapshot_price(ctx.catalogue, size), ctx.catalogue)


@post(f"/cloud/v2/{PRICE}", opt=READ, status_code=200, tags=["Snapshot Schedules"])
async def preview_policy_price_by_type(ctx: Ctx, data: JSONBody[PolicyPriceRequest]) -> LifecyclePolicyPrice:
    """Get the maximum price of a policy, by volume type."""
    if len(set(data.volume_ids)) < len(data.volume_ids):
        raise invalid(volume_ids="A volume is named twice")
    catalogue, prices_by_type, quantity = ctx.catalogue, dict[str, Price](), _max_quantity(ctx, data)
    for volume in await _read_volumes(ctx, data.volume_ids):
        price = prices.snapshot_price(catalogue, quantity * volume.size)
        prices_by_type[volume.type_name] = prices_by_type.get(volume.type_name, Price()) + price
    return LifecyclePolicyPrice.of(prices_by_type, catalogue)


async def _read_volumes(ctx: RequestContext, volume_ids: Iterable[str]) -> list[Volume]:
    ctx.require_region()
    async with ctx.db.read() as tx:
        place = await projects.require_existing(tx, ctx.place)
        return [await volumes.get(tx, place, volume_id) for volume_id in dict.fromkeys(volume_ids)]


def _max_quantity(ctx: RequestContext, data: CreateLifecyclePolicy | PolicyPriceRequest) -> int:
    """Return how many snapshots of one volume all schedules keep together. Raises Invalid."""
    return max_snapshots_kept(schedule.require_valid(ctx.now()) for schedule in to_new_schedules(data))


ROUTES = [estimate_policy_usage, preview_policy_price, preview_policy_price_by_type]
