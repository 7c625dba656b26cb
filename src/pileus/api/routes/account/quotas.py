"""Quotas: what you may have and have, wishes for more, and when to be told that little is left."""

from typing import Literal

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.wire.account.quotas import (
    AllQuotas,
    CreateLimitRequest,
    LimitRequestView,
    Limits,
    SetThreshold,
    ThresholdView,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.times import earliest, latest
from pileus.domain.account.quotas import EVERYWHERE, LimitRequest, QuotaThreshold, quota_view
from pileus.domain.errors import not_found
from pileus.store import counters
from pileus.store.account import quotas, usage
from pileus.store.database import Tx

THRESHOLD = "/cloud/v2/client_quotas/{client_id:int}/notification_threshold"
REQUESTS = "/cloud/v2/limits_request"
REQUEST = f"{REQUESTS}/{{request_id:int}}"


@get("/cloud/v2/client_quotas", opt=READ, tags=["Quotas"])
async def get_client_quotas(ctx: Ctx) -> AllQuotas:
    """Show your quotas, those of all regions together and those of each. One without a limit has only its usage."""
    async with ctx.db.scan() as tx:
        regional = [await _regional(tx, ctx, region.id) for region in ctx.catalogue.regions]
        return AllQuotas(global_quotas=await _global(tx, ctx), regional_quotas=regional)


@get("/cloud/v2/global_quotas/{client_id:int}", opt=READ, tags=["Quotas"])
async def get_global_quotas(ctx: Ctx, client_id: FromPath[int]) -> Limits:
    """Show your quotas of what is counted in all regions together."""
    _yourself(ctx, client_id)
    async with ctx.db.scan() as tx:
        return await _global(tx, ctx)


@get("/cloud/v2/regional_quotas/{client_id:int}/{region_id:int}", opt=READ, tags=["Quotas"])
async def get_regional_quotas(ctx: Ctx, client_id: FromPath[int]) -> Limits:
    """Show your quotas in a region, all your projects together. One without a limit has only its usage."""
    _yourself(ctx, client_id)
    region = ctx.region()
    async with ctx.db.scan() as tx:
        return await _regional(tx, ctx, region.id)


@get(THRESHOLD, opt=READ, tags=["Quotas"])
async def get_notification_threshold(ctx: Ctx, client_id: FromPath[int]) -> ThresholdView:
    """Show from how many per cent of any quota on you are told, and what you were told last."""
    _yourself(ctx, client_id)
    async with ctx.db.read() as tx:
        return ThresholdView.of(await _threshold(tx, client_id))


@put(THRESHOLD, opt=WRITE, tags=["Quotas"])
async def set_notification_threshold(ctx: Ctx, client_id: FromPath[int], data: JSONBody[SetThreshold]) -> ThresholdView:
    """Be told when something that you make brings the usage of a quota to so many per cent of its limit.

    You find it here as `last_message`, and the operator in the log.
    """
    _yourself(ctx, client_id)

    async def write(tx: Tx) -> QuotaThreshold:
        before = await quotas.threshold_of(tx, client_id)
        fresh = QuotaThreshold(client_id=client_id, threshold=data.threshold)
        after = fresh if before is None else replace(before, threshold=data.threshold)
        return await quotas.save_threshold(tx, before, after)

    return ThresholdView.of(await ctx.db.write(write))


@delete(THRESHOLD, opt=WRITE, status_code=204, tags=["Quotas"])
async def delete_notification_threshold(ctx: Ctx, client_id: FromPath[int]) -> None:
    """Be told no more."""
    _yourself(ctx, client_id)

    async def write(tx: Tx) -> None:
        await _threshold(tx, client_id)
        await quotas.remove_threshold(tx, client_id)

    await ctx.db.write(write)


@post(REQUESTS, opt=WRITE, status_code=201, media_type="text/plain", tags=["Quotas"])
async def create_limit_request(ctx: Ctx, data: JSONBody[CreateLimitRequest]) -> Response[str]:
    """Ask the operator for other limits, and say why; they hold when the request is `done`."""
    wished = data.requested_limits.by_region()
    for region_id in map(int, wished):
        if region_id != EVERYWHERE and ctx.catalogue.region(region_id) is None:
            raise not_found("Region", region_id)

    async def write(tx: Tx) -> None:
        request = LimitRequest(
            id=await counters.next_value(tx, "limit_requests"),
            client_id=ctx.caller.client_id,
            description=data.description,
            requested_limits=wished,
            created_at=ctx.now(),
            updated_at=ctx.now(),
        )
        await quotas.add_request(tx, request)
        await ctx.audit(tx, "quota_limit_request", "create", request.id, data=to_builtins(data))

    await ctx.db.write(write)
    return Response("")


@get(REQUESTS, opt=READ, tags=["Quotas"])
async def list_limit_requests(  # each is a parameter of the operation
    ctx: Ctx,
    request_ids: FromQuery[list[Id] | None] = None,
    status: FromQuery[list[Literal["done", "in progress", "rejected"]] | None] = None,
    created_from: FromQuery[str | None] = None,
    created_to: FromQuery[str | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[LimitRequestView]:
    """List your requests for other limits, the latest first."""
    since, until = earliest("created_from", created_from), latest("created_to", created_to)
    async with ctx.db.scan() as tx:
        count, found = await quotas.page(
            tx, ctx.caller.client_id, ids=request_ids, statuses=status, since=since, until=until, limit=limit,
            offset=offset,
        )  # fmt: skip
    return Page(count=count, results=[LimitRequestView.of(request) for request in found])


@get(REQUEST, opt=READ, tags=["Quotas"])
async def get_limit_request(ctx: Ctx, request_id: FromPath[int]) -> LimitRequestView:
    """Show a request for other limits."""
    async with ctx.db.read() as tx:
        return LimitRequestView.of(await quotas.get_request(tx, ctx.caller.client_id, request_id))


@delete(REQUEST, opt=WRITE, status_code=204, tags=["Quotas"])
async def delete_limit_request(ctx: Ctx, request_id: FromPath[int]) -> None:
    """Forget a request for other limits; limits that it has brought stay."""

    async def write(tx: Tx) -> None:
        request = await quotas.get_request(tx, ctx.caller.client_id, request_id)
        await quotas.remove_request(tx, request.id)
        await ctx.audit(tx, "quota_limit_request", "delete", request.id)

    await ctx.db.write(write)


def _yourself(ctx: RequestContext, client_id: int) -> None:
    """Return if a client is the caller's own; raises NotFound."""
    if client_id != ctx.caller.client_id:
        raise not_found("Client", client_id)


async def _threshold(tx: Tx, client_id: int) -> QuotaThreshold:
    found = await quotas.threshold_of(tx, client_id)
    if found is None:
        raise not_found("Notification threshold", client_id)
    return found


async def _global(tx: Tx, ctx: RequestContext) -> Limits:
    place, catalogue = replace(ctx.place, region_id=EVERYWHERE), ctx.catalogue
    used = await usage.of_client(tx, place.client_id)
    return quota_view(await quotas.limits_of(tx, place, catalogue), used, everywhere=True)


async def _regional(tx: Tx, ctx: RequestContext, region_id: int) -> Limits:
    place, catalogue = replace(ctx.place, region_id=region_id), ctx.catalogue
    used = await usage.of_place(tx, place, catalogue)
    limits = await quotas.limits_of(tx, place, catalogue)
    return {"region_id": region_id, **quota_view(limits, used, everywhere=False)}


ROUTES = [
    get_client_quotas, get_global_quotas, get_regional_quotas, get_notification_threshold, set_notification_threshold,
    delete_notification_threshold, create_limit_request, list_limit_requests, get_limit_request, delete_limit_request,
]  # fmt: skip
