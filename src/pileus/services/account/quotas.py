"""Keeping to quotas: whoever makes more of something asks here, in the transaction that writes it."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pileus.domain.account import quota_checks
from pileus.domain.account.quotas import QuotaThreshold, crossed_thresholds
from pileus.domain.account.regions import Region
from pileus.domain.catalogue import Catalogue
from pileus.domain.places import Place
from pileus.store.account import quotas, usage
from pileus.store.database import Tx

LOG = logging.getLogger(__name__)


async def check(tx: Tx, catalogue: Catalogue, place: Place, asked: Mapping[str, int], now: int) -> None:
    """Return if a tenant may have so much more in a region, by the names of quotas; raises QuotaExceeded.

    Until the transaction ends nobody else can ask for the same tenant. Where this brings usage to the tenant's
    threshold, it is told so.
    """
    used = await usage.lock_and_count(tx, place, catalogue)
    await _checked(tx, catalogue, place, used, asked, now, catalogue.region(place.region_id))


async def within_global(tx: Tx, catalogue: Catalogue, place: Place, asked: Mapping[str, int], now: int) -> None:
    """The same for what is counted in all regions together."""
    await _checked(tx, catalogue, place, await usage.lock_and_count_global(tx, place.client_id), asked, now, None)


async def _checked(  # each is a fact of its own
    tx: Tx,
    catalogue: Catalogue,
    place: Place,
    used: Mapping[str, int],
    asked: Mapping[str, int],
    now: int,
    region: Region | None,
) -> None:
    allowed = await quotas.limits_of(tx, place, catalogue)
    quota_checks.check(allowed, used, asked)
    threshold = await quotas.threshold_of(tx, place.client_id)
    told = crossed_thresholds(allowed, used, asked, threshold.threshold) if threshold else {}
    if threshold is not None and told:
        await _warned(tx, threshold, told, region, now)


async def _warned(tx: Tx, before: QuotaThreshold, told: Mapping[str, Any], region: Region | None, now: int) -> None:
    """Keep what a tenant is to be told, and tell the operator's log."""
    message: dict[str, Any] = {"global_quotas": told, "regional_quotas": []}
    if region is not None:
        here = {"region_id": region.id, "region_name": region.display_name}
        message = {"global_quotas": {}, "regional_quotas": [{**told, **here}]}
    await quotas.save_threshold(tx, before, replace(before, last_sending=now, last_message=message))
    LOG.warning("Quota threshold reached", extra={"client_id": before.client_id, "quotas": sorted(told)})
