"""Set the quotas of tenants, and answer their requests for other limits."""

from typing import Literal

from litestar import get, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from pileus.api.authorization import OPERATE
from pileus.api.client_scope import ClientScope, require_one_client
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.quotas import LimitRequestView, Limits, NewLimits
from pileus.api.wire.paging import Page
from pileus.services.account import limit_requests as limit_request_service
from pileus.services.account import quotas as quota_service
from pileus.store.account import quotas
from pileus.store.loop_turns import build_in_turns


class LimitRequestAnswer(Struct, kw_only=True):
    """The answer to a limit request."""

    status: Literal["done", "rejected"]


@get("/_pileus/limit_requests", opt=OPERATE, tags=["Operators"])
async def list_requests_of_tenants(
    ctx: Ctx,
    client_scope: ClientScope,
    status: FromQuery[list[Literal["done", "in progress", "rejected"]] | None] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[LimitRequestView]:
    """List the requests of a tenant for other limits, the latest first. `client_id=0` lists those of all tenants."""
    async with ctx.db.scan() as tx:
        count, page = await quotas.page_limit_requests(
            tx, client_scope, ids=None, statuses=status, since=None, until=None, limit=limit, offset=offset
        )
    return Page(count=count, results=await build_in_turns(LimitRequestView.of(request) for request in page))


@put("/_pileus/limit_requests/{request_id:int}", opt=OPERATE, tags=["Operators"])
async def answer_limit_request(
    ctx: Ctx, client_scope: ClientScope, request_id: FromPath[int], data: JSONBody[LimitRequestAnswer]
) -> LimitRequestView:
    """Grant a request for other limits (`done`), which sets the limits, or reject it (`rejected`).

    An answered request cannot be answered again: 409. To answer a request of another tenant, pass its `client_id`.
    """
    client_id = require_one_client(client_scope)
    request = await ctx.write(
        lambda tx: limit_request_service.answer_limit_request(tx, ctx, client_id, request_id, data.status)
    )
    return LimitRequestView.of(request)


@put("/_pileus/quotas/{region_id:int}", opt=OPERATE, tags=["Operators"])
async def set_quotas(
    ctx: Ctx, client_scope: ClientScope, region_id: FromPath[int], data: JSONBody[NewLimits]
) -> Limits:
    """Set limits of a tenant in a region: `{"vm_count_limit": 3}`. Other limits do not change.

    Region 0 stands for the global quotas. To set the limits of another tenant, pass its `client_id`.
    """
    client_id = require_one_client(client_scope)
    await ctx.write(lambda tx: quota_service.set_quotas(tx, ctx, client_id, region_id, data))
    return data


ROUTES = [list_requests_of_tenants, answer_limit_request, set_quotas]
