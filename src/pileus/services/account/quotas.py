"""Check quotas before resources are created, and set limits and the notification threshold."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pileus.domain.account import quota_checks
from pileus.domain.account.quotas import ALL_REGIONS, QuotaThreshold, parse_quota_limits, quotas_reaching_threshold
from pileus.domain.account.regions import Region
from pileus.domain.catalogue import Catalogue
from pileus.domain.context import Context
from pileus.domain.errors import QuotaExceeded, QuotasExceeded, not_found
from pileus.domain.places import Place
from pileus.store.account import account_revisions, quota_usage, quotas
from pileus.store.database import Tx

LOG = logging.getLogger(__name__)


async def check_quotas(tx: Tx, ctx: Context, demand: Mapping[str, int]) -> None:
    """Check that the tenant may have `demand` more in the region of the request, by quota name.

    Raises NotFound for an unknown region, or QuotaExceeded.
    """
    ctx.require_region()
    await check_regional_quotas(tx, ctx.catalogue, ctx.place, demand, ctx.now())


async def check_instance_quotas(tx: Tx, ctx: Context, demand: Mapping[str, int]) -> None:
    """Like `check_quotas`, for a new instance: its error, QuotasExceeded, names all exceeded quotas."""
    try:
        await check_quotas(tx, ctx, demand)
    except QuotaExceeded as problem:
        raise QuotasExceeded(problem.exceeded_quotas) from problem


async def check_regional_quotas(
    tx: Tx, catalogue: Catalogue, place: Place, demand: Mapping[str, int], now: int
) -> None:
    """Check that the tenant may have `demand` more in a region, by quota name. Raises QuotaExceeded.

    The tenant's usage stays locked until the transaction ends. If the demand takes usage to the tenant's threshold, a
    notification is saved.
    """
    used = await quota_usage.lock_tenant_and_count_by_quota(tx, place, catalogue)
    await _check_demand(tx, catalogue, place, used, demand, now, catalogue.region(place.region_id))


async def check_global_quotas(tx: Tx, ctx: Context, demand: Mapping[str, int]) -> None:
    """Like `check_regional_quotas`, for the quotas that are counted in all regions together."""
    used = await quota_usage.lock_tenant_and_count_global_by_quota(tx, ctx.place.client_id)
    await _check_demand(tx, ctx.catalogue, ctx.place, used, demand, ctx.now(), None)


async def list_exceeded_quotas(tx: Tx, ctx: Context, demand: Mapping[str, int]) -> dict[str, int]:
    """Return three numbers of each quota that `demand` would exceed in the region of the request."""
    used = await quota_usage.count_by_quota(tx, ctx.place, ctx.catalogue)
    limits = await quotas.get_limits(tx, ctx.place, ctx.catalogue)
    return quota_checks.report_exceeded_quotas(limits, used, demand)


async def set_quotas(tx: Tx, ctx: Context, client_id: int, region_id: int, limits: Mapping[str, int]) -> None:
    """Set limits of a tenant, by `<quota>_limit`; ALL_REGIONS stands for the global quotas.

    Raises Invalid for an unknown quota, or NotFound for an unknown region.
    """
    parsed = parse_quota_limits(limits, is_global=region_id == ALL_REGIONS)
    if region_id != ALL_REGIONS:
        ctx.require_region()
    await quotas.set_limits(tx, client_id, region_id, parsed)


async def set_notification_threshold(tx: Tx, client_id: int, threshold: int) -> QuotaThreshold:
    """Set the usage, in percent of any limit, that triggers a notification; the last notification stays."""
    await account_revisions.bump(tx, client_id)
    existing = await quotas.find_threshold(tx, client_id)
    if existing is None:
        return await quotas.save_threshold(tx, None, QuotaThreshold(client_id=client_id, threshold=threshold))
    return await quotas.save_threshold(tx, existing, replace(existing, threshold=threshold))


async def delete_notification_threshold(tx: Tx, client_id: int) -> None:
    """Delete a tenant's threshold. Raises NotFound."""
    if await quotas.find_threshold(tx, client_id) is None:
        raise not_found("Notification threshold", client_id)
    await quotas.remove_threshold(tx, client_id)
    await account_revisions.bump(tx, client_id)


async def _check_demand(
    tx: Tx,
    catalogue: Catalogue,
    place: Place,
    used: Mapping[str, int],
    demand: Mapping[str, int],
    now: int,
    region: Region | None,
) -> None:
    limits = await quotas.get_limits(tx, place, catalogue)
    quota_checks.check_no_quota_exceeded(limits, used, demand)
    threshold = await quotas.find_threshold(tx, place.client_id)
    if threshold is None:
        return
    crossed = quotas_reaching_threshold(limits, used, demand, threshold.threshold)
    if crossed:
        await _save_notification(tx, threshold, crossed, region, now)


async def _save_notification(
    tx: Tx, threshold: QuotaThreshold, crossed: Mapping[str, Any], region: Region | None, now: int
) -> None:
    """Save the notification for the tenant and log a warning for the operator."""
    message: dict[str, Any] = {"global_quotas": crossed, "regional_quotas": []}
    if region is not None:
        regional = {**crossed, "region_id": region.id, "region_name": region.display_name}
        message = {"global_quotas": {}, "regional_quotas": [regional]}
    await quotas.save_threshold(tx, threshold, replace(threshold, last_sending=now, last_message=message))
    LOG.warning("Quota threshold reached", extra={"client_id": threshold.client_id, "quotas": sorted(crossed)})
