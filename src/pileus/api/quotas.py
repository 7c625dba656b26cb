"""Keeping to quotas: every request for more asks here, in the transaction that writes it."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pileus.api.call import Call
from pileus.domain import limits
from pileus.domain.quotas import QuotaThreshold, crossed
from pileus.domain.regions import Region
from pileus.store import quotas, usage
from pileus.store.database import Tx

LOG = logging.getLogger(__name__)


async def within_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """Return if a tenant may have so much more in a region, by the names of quotas; raises QuotaExceeded.

    Until the transaction ends nobody else can ask for the same tenant. Where this brings usage to the tenant's
    threshold, it is told so.
    """
    await _checked(tx, call, await usage.held(tx, call.place, call.cloud.catalogue), asked, call.region())


async def within_global_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """The same for what is counted in all regions together."""
    await _checked(tx, call, await usage.held_of_client(tx, call.place.client_id), asked, None)


async def _checked(
    tx: Tx, call: Call, used: Mapping[str, int], asked: Mapping[str, int], region: Region | None
) -> None:
    allowed = await quotas.limits_of(tx, call.place, call.cloud.catalogue)
    limits.check(allowed, used, asked)
    threshold = await quotas.threshold_of(tx, call.place.client_id)
    told = crossed(allowed, used, asked, threshold.threshold) if threshold else {}
    if threshold is not None and told:
        await _warned(tx, call, threshold, told, region)


async def _warned(tx: Tx, call: Call, before: QuotaThreshold, told: Mapping[str, Any], region: Region | None) -> None:
    """Keep what a tenant is to be told, and tell the operator's log."""
    message: dict[str, Any] = {"global_quotas": told, "regional_quotas": []}
    if region is not None:
        here = {"region_id": region.id, "region_name": region.display_name}
        message = {"global_quotas": {}, "regional_quotas": [{**told, **here}]}
    after = replace(before, last_sending=call.cloud.now(), last_message=message)
    await quotas.save_threshold(tx, before, after)
    LOG.warning("Quota threshold reached", extra={"client_id": before.client_id, "quotas": sorted(told)})
