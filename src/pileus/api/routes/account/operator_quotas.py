"""Answer requests for other quota limits, and set limits directly.

Part of the control endpoint of a simulated cloud, for administrators, who set the limits of their own tenant.
"""

from typing import Literal

from litestar import put
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from pileus.api.authorization import ADMINISTER
from pileus.api.context import Ctx
from pileus.api.wire.account.quotas import LimitRequestView, Limits, NewLimits
from pileus.services.account import limit_requests as limit_request_service
from pileus.services.account import quotas as quota_service


class LimitRequestAnswer(Struct, kw_only=True):
    """The answer to a limit request."""

    status: Literal["done", "rejected"]


@put("/limit_requests/{request_id:int}", opt=ADMINISTER)
async def answer_limit_request(
    ctx: Ctx, request_id: FromPath[int], data: JSONBody[LimitRequestAnswer]
) -> LimitRequestView:
    """Grant a request for other limits (`done`) or reject it (`rejected`)."""
    request = await ctx.write(lambda tx: limit_request_service.answer_limit_request(tx, ctx, request_id, data.status))
    return LimitRequestView.of(request)


@put("/quotas/{region_id:int}", opt=ADMINISTER)
async def set_quotas(ctx: Ctx, region_id: FromPath[int], data: JSONBody[NewLimits]) -> Limits:
    """Set limits of your tenant in a region: `{"vm_count_limit": 3}`. Region 0 stands for the global quotas."""
    await ctx.write(lambda tx: quota_service.set_quotas(tx, ctx, region_id, data))
    return data


HANDLERS = [answer_limit_request, set_quotas]
