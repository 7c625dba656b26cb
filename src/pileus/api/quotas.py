"""Keeping to quotas: every request for more asks here, in the transaction that writes it."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pileus.api.call import Call
from pileus.domain import limits
from pileus.domain.quotas import crossed
from pileus.store import quotas, usage
from pileus.store.database import Tx

LOG = logging.getLogger(__name__)


async def within_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """Return if a tenant may have so much more in a region, by the names of quotas; raises QuotaExceeded.

    Until the transaction ends nobody else can ask for the same tenant. Where this brings usage to the tenant's
    threshold, it is told so.
    """
    catalogue = call.cloud.catalogue
    used = await usage.held(tx, call.place, catalogue)
    allowed = await quotas.limits_of(tx, call.place, catalogue)
    limits.check(allowed, used, asked)
    await _warned(tx, call, crossed(allowed, used, asked, await _threshold(tx, call)), everywhere=False)


async def within_global_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """The same for what is counted in all regions together."""
    used = await usage.held_of_client(tx, call.place.client_id)
    allowed = await quotas.limits_of(tx, call.place, call.cloud.catalogue)
    limits.check(allowed, used, asked)
    await _warned(tx, call, crossed(allowed, used, asked, await _threshold(tx, call)), everywhere=True)


async def _threshold(tx: Tx, call: Call) -> int:
    found = await quotas.threshold_of(tx, call.place.client_id)
    return found.threshold if found else 0


async def _warned(tx: Tx, call: Call, told: dict[str, Any], *, everywhere: bool) -> None:
    """Keep what a tenant is to be told, and tell the operator's log."""
    before = await quotas.threshold_of(tx, call.place.client_id) if told else None
    if before is None:
        return
    regional = (
        [] if everywhere else [{**told, "region_id": call.place.region_id, "region_name": call.region().display_name}]
    )
    message = {"global_quotas": told if everywhere else {}, "regional_quotas": regional}
    after = replace(before, last_sending=call.cloud.now(), last_message=message)
    await quotas.save_threshold(tx, before, after)
    LOG.warning("Quota threshold reached", extra={"client_id": before.client_id, "quotas": sorted(told)})
