"""Create, answer and delete requests for other quota limits."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pileus.domain import limits as limits_rules
from pileus.domain.account.quotas import ALL_REGIONS, LimitRequest, LimitRequestStatus
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, not_found
from pileus.services.account.user_actions import write_audit_entry
from pileus.store import counters
from pileus.store.account import clients, quotas
from pileus.store.database import Tx

GROUP = "quota_limit_request"


async def create_limit_request(
    tx: Tx, ctx: Context, description: str, limits: Mapping[str, dict[str, int]], audit_data: dict[str, Any]
) -> LimitRequest:
    """Save a request for `limits`, by region id and quota name.

    Raises NotFound for an unknown region, or Invalid if too many requests are in progress.
    """
    for region_id in map(int, limits):
        if region_id != ALL_REGIONS and ctx.catalogue.region(region_id) is None:
            raise not_found("Region", region_id)
    client_id = ctx.caller.client_id
    await clients.lock(tx, client_id)
    limits_rules.check_waiting_count(
        "limit requests in progress",
        await quotas.count_limit_requests(tx, client_id, LimitRequestStatus.IN_PROGRESS.value),
        limits_rules.WAITING_LIMIT_REQUESTS,
    )
    request = LimitRequest(
        id=await counters.increment(tx, "limit_requests"),
        client_id=client_id,
        description=description,
        requested_limits=dict(limits),
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    await quotas.add_limit_request(tx, request)
    await write_audit_entry(tx, ctx, AuditEntry(GROUP, "create", request.id, audit_data))
    return request


async def answer_limit_request(tx: Tx, ctx: Context, client_id: int, request_id: int, status: str) -> LimitRequest:
    """Grant a request of a tenant (`done`), which sets the limits, or reject it.

    Raises NotFound, or Conflict if it is answered.
    """
    request = await quotas.get_limit_request(tx, client_id, request_id)
    if request.status != LimitRequestStatus.IN_PROGRESS:
        raise Conflict(f"Limit request {request.id} is {request.status} already")
    if status == LimitRequestStatus.DONE.value:
        for region_id, limits in request.requested_limits.items():
            await quotas.set_limits(tx, request.client_id, int(region_id), limits)
    answered = await quotas.save_limit_request(tx, request, replace(request, status=status, updated_at=ctx.now()))
    await write_audit_entry(tx, ctx, AuditEntry(GROUP, "update", request.id, {"status": status}))
    return answered


async def delete_limit_request(tx: Tx, ctx: Context, request_id: int) -> None:
    """Delete a request; limits that it has changed stay. Raises NotFound."""
    request = await quotas.get_limit_request(tx, ctx.caller.client_id, request_id)
    await quotas.remove_limit_request(tx, request.id)
    await write_audit_entry(tx, ctx, AuditEntry(GROUP, "delete", request.id))
