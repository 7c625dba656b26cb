"""Keeping to quotas: every request for more asks here, in the transaction that writes it."""

from collections.abc import Mapping

from pileus.domain.context import Context
from pileus.services.account import quotas
from pileus.store.database import Tx


async def check_quotas(tx: Tx, ctx: Context, asked: Mapping[str, int]) -> None:
    """Return if a tenant may have so much more in a region; raises NotFound for the region, or QuotaExceeded."""
    ctx.region()
    await quotas.check(tx, ctx.catalogue, ctx.place, asked, ctx.now())


async def check_global_quotas(tx: Tx, ctx: Context, asked: Mapping[str, int]) -> None:
    """The same for what is counted in all regions together."""
    await quotas.within_global(tx, ctx.catalogue, ctx.place, asked, ctx.now())
