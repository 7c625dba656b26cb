"""Keeping to quotas: every request for more asks here, in the transaction that writes it."""

from collections.abc import Mapping

from pileus.api.call import Call
from pileus.store.database import Tx
from pileus.tasks.account import quotas


async def within_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """Return if a tenant may have so much more in a region; raises NotFound for the region, or QuotaExceeded."""
    call.region()
    await quotas.within(tx, call.cloud.catalogue, call.place, asked, call.cloud.now())


async def within_global_quotas(tx: Tx, call: Call, asked: Mapping[str, int]) -> None:
    """The same for what is counted in all regions together."""
    await quotas.within_global(tx, call.cloud.catalogue, call.place, asked, call.cloud.now())
