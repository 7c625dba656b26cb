"""Quotas: limits and usage, requests for other limits, and the notification threshold."""

from typing import Literal

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins
from msgspec.structs import replace

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.wire.account.quota_requests import CreateLimitRequest, SetNotificationThreshold
from pileus.api.wire.account.quotas import ClientQuotas, LimitRequestView, Limits, NotificationThresholdView
from pileus.api.wire.paging import Page
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.domain.account.quotas import ALL_REGIONS, quota_view
from pileus.domain.errors import not_found
from pileus.services.account import limit_requests as limit_request_service
from pileus.services.account import quotas as quota_service
from pileus.store.account import quota_usage, quotas
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns

THRESHOLD = "/cloud/v2/client_quotas/{client_id:int}/notification_threshold"
REQUESTS = "/cloud/v2/limits_request"
REQUEST = f"{REQUESTS}/{{request_id:int}}"


@get("/cloud/v2/client_quotas", opt=READ, tags=["Quotas"])
async def get_client_quotas(ctx: Ctx) -> ClientQuotas:
    """Get your quotas: the global ones and those of each region. A quota without a limit has only its usage."""
    async with ctx.db.scan() as tx:
        regional = [await _regional_quotas(tx, ctx, region.id) for region in ctx.catalogue.regions]
        return ClientQuotas(global_quotas=await _global_quotas(tx, ctx), regional_quotas=regional)


@get("/cloud/v2/global_quotas/{client_id:int}", opt=READ, tags=["Quotas"])
async def get_global_quotas(ctx: Ctx, client_id: FromPath[int]) -> Limits:
    """Get your global quotas, which are counted in all regions together."""
    _check_own_client(ctx, client_id)
    async with ctx.db.scan() as tx:
        return await _global_quotas(tx, ctx)


@get("/cloud/v2/regional_quotas/{client_id:int}/{region_id:int}", opt=READ, tags=["Quotas"])
async def get_regional_quotas(ctx: Ctx, client_id: FromPath[int]) -> Limits:
    """Get your quotas in a region, for all your projects together. A quota without a limit has only its usage."""
    _check_own_client(ctx, client_id)
    region = ctx.require_region()
    async with ctx.db.scan() as tx:
        return await _regional_quotas(tx, ctx, region.id)


@get(THRESHOLD, opt=READ, tags=["Quotas"])
async def get_notification_threshold(ctx: Ctx, client_id: FromPath[int]) -> NotificationThresholdView:
    """Get the notification threshold, in percent of any quota, and the last notification."""
    _check_own_client(ctx, client_id)
    async with ctx.db.read() as tx:
        threshold = await quotas.find_threshold(tx, client_id)
    if threshold is None:
        raise not_found("Notification threshold", client_id)
    return NotificationThresholdView.of(threshold)


@put(THRESHOLD, opt=WRITE, tags=["Quotas"])
async def set_notification_threshold(
    ctx: Ctx, client_id: FromPath[int], data: JSONBody[SetNotificationThreshold]
) -> NotificationThresholdView:
    """Request a notification when a creation takes the usage of a quota to this percentage of its limit.

    The notification is returned here as `last_message`, and the operator finds it in the log.
    """
    _check_own_client(ctx, client_id)
    threshold = await ctx.write(lambda tx: quota_service.set_notification_threshold(tx, client_id, data.threshold))
    return NotificationThresholdView.of(threshold)


@delete(THRESHOLD, opt=WRITE, status_code=204, tags=["Quotas"])
async def delete_notification_threshold(ctx: Ctx, client_id: FromPath[int]) -> None:
    """Delete the notification threshold: no more notifications are made."""
    _check_own_client(ctx, client_id)
    await ctx.write(lambda tx: quota_service.delete_notification_threshold(tx, client_id))


@post(REQUESTS, opt=WRITE, status_code=201, media_type="text/plain", tags=["Quotas"])
async def create_limit_request(ctx: Ctx, data: JSONBody[CreateLimitRequest]) -> Response[str]:
    """Request other limits from the operator, and say why. They apply once the request is `done`."""
    limits, audit_data = data.requested_limits.limits_by_region(), to_builtins(data)
    await ctx.write(
        lambda tx: limit_request_service.create_limit_request(tx, ctx, data.description, limits, audit_data)
    )
    return Response("")


@get(REQUESTS, opt=READ, tags=["Quotas"])
async def list_limit_requests(
    ctx: Ctx,
    request_ids: FromQuery[list[Id] | None] = None,
    status: FromQuery[list[Literal["done", "in progress", "rejected"]] | None] = None,
    created_from: FromQuery[str | None] = None,
    created_to: FromQuery[str | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[LimitRequestView]:
    """List your requests for other limits, the latest first."""
    since, until = parse_range_start("created_from", created_from), parse_range_end("created_to", created_to)
    async with ctx.db.scan() as tx:
        count, page = await quotas.page_limit_requests(
            tx, ctx.caller.client_id, ids=request_ids, statuses=status, since=since, until=until, limit=limit,
            offset=offset,
        )  # fmt: skip
    return Page(count=count, results=await build_in_turns(LimitRequestView.of(request) for request in page))


@get(REQUEST, opt=READ, tags=["Quotas"])
async def get_limit_request(ctx: Ctx, request_id: FromPath[int]) -> LimitRequestView:
    """Get a request for other limits."""
    async with ctx.db.read() as tx:
        return LimitRequestView.of(await quotas.get_limit_request(tx, ctx.caller.client_id, request_id))


@delete(REQUEST, opt=WRITE, status_code=204, tags=["Quotas"])
async def delete_limit_request(ctx: Ctx, request_id: FromPath[int]) -> None:
    """Delete a request for other limits. Limits that it has changed remain."""
    await ctx.write(lambda tx: limit_request_service.delete_limit_request(tx, ctx, request_id))


def _check_own_client(ctx: RequestContext, client_id: int) -> None:
    """Raise NotFound if the client is not the caller's own."""
    if client_id != ctx.caller.client_id:
        raise not_found("Client", client_id)


async def _global_quotas(tx: Tx, ctx: RequestContext) -> Limits:
    place, catalogue = replace(ctx.place, region_id=ALL_REGIONS), ctx.catalogue
    used = await quota_usage.count_global_by_quota(tx, place.client_id)
    return quota_view(await quotas.get_limits(tx, place, catalogue), used, is_global=True)


async def _regional_quotas(tx: Tx, ctx: RequestContext, region_id: int) -> Limits:
    place, catalogue = replace(ctx.place, region_id=region_id), ctx.catalogue
    used = await quota_usage.count_by_quota(tx, place, catalogue)
    limits = await quotas.get_limits(tx, place, catalogue)
    return {"region_id": region_id, **quota_view(limits, used, is_global=False)}


ROUTES = [
    get_client_quotas, get_global_quotas, get_regional_quotas, get_notification_threshold, set_notification_threshold,
    delete_notification_threshold, create_limit_request, list_limit_requests, get_limit_request, delete_limit_request,
]  # fmt: skip
