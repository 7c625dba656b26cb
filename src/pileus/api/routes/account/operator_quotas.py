"""The operator's side of quotas: answer requests for other limits, and set limits outright.

It is part of the control endpoint, for administrators; each sets the limits of their own tenant.
"""

from typing import Literal

from litestar import put
from litestar.params import FromPath, JSONBody
from msgspec import Struct
from msgspec.structs import replace

from pileus.api.auth import ADMINISTER
from pileus.api.context import Ctx
from pileus.api.wire.account.quotas import LimitRequestView, Limits
from pileus.domain.account.quotas import EVERYWHERE, RequestStatus, parse_limits
from pileus.domain.errors import Conflict
from pileus.store.account import quotas
from pileus.store.database import Tx


class LimitAnswer(Struct, kw_only=True):
    """What becomes of a request."""

    status: Literal["done", "rejected"]


@put("/limit_requests/{request_id:int}", opt=ADMINISTER)
async def answer_limit_request(ctx: Ctx, request_id: FromPath[int], data: JSONBody[LimitAnswer]) -> LimitRequestView:
    """Grant a tenant's request for other limits (`done`), or do not (`rejected`)."""

    async def write(tx: Tx) -> LimitRequestView:
        before = await quotas.get_request(tx, ctx.caller.client_id, request_id)
        if before.status != RequestStatus.IN_PROGRESS:
            raise Conflict(f"Limit request {before.id} is {before.status} already")
        if data.status == RequestStatus.DONE.value:
            for region_id, limits in before.requested_limits.items():
                await quotas.set_limits(tx, before.client_id, int(region_id), limits)
        after = await quotas.save_request(tx, before, replace(before, status=data.status, updated_at=ctx.now()))
        await ctx.audit(tx, "quota_limit_request", "update", before.id, data={"status": data.status})
        return LimitRequestView.of(after)

    return await ctx.db.write(write)


@put("/quotas/{region_id:int}", opt=ADMINISTER)
async def set_quotas(ctx: Ctx, region_id: FromPath[int], data: JSONBody[Limits]) -> Limits:
    """Set limits of your tenant in a region, `{"vm_count_limit": 3}`; region 0 is what is counted in all together."""
    limits = parse_limits(data, everywhere=region_id == EVERYWHERE)
    if region_id != EVERYWHERE:
        ctx.region()
    await ctx.db.write(lambda tx: quotas.set_limits(tx, ctx.caller.client_id, region_id, limits))
    return data


HANDLERS = [answer_limit_request, set_quotas]
