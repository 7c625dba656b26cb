"""Quotas of tenants: limits, requests to raise them, and warning thresholds."""

from collections.abc import Mapping, Sequence

from pileus.domain.account.quotas import ALL_REGIONS, LimitRequest, QuotaThreshold
from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store import queries
from pileus.store.account import account_revisions
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.scoped import in_reach_condition

REQUESTS = Table("limit_requests", LimitRequest)
add_limit_request, save_limit_request, remove_limit_request = REQUESTS.add, REQUESTS.save, REQUESTS.remove
THRESHOLDS = Table("quota_thresholds", QuotaThreshold, key="client_id")
remove_threshold = THRESHOLDS.remove


async def get_limits(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """Return the limits of the place's tenant, in its region and global ones, by quota name."""
    rows = await tx.all(
        "SELECT name, value FROM quota_limits WHERE client_id = :client_id AND region_id IN (:region_id, :everywhere)",
        client_id=place.client_id,
        region_id=place.region_id,
        everywhere=ALL_REGIONS,
    )
    return catalogue.quotas | {name: int(value) for name, value in rows}


async def set_limits(tx: Tx, client_id: int, region_id: int, limits: Mapping[str, int]) -> None:
    """Set limits of a tenant."""
    await account_revisions.bump(tx, client_id)
    for name in sorted(limits):
        await tx.send(
            "INSERT INTO quota_limits (client_id, region_id, name, value)"
            " VALUES (:client_id, :region_id, :name, :value)"
            " ON CONFLICT (client_id, region_id, name) DO UPDATE SET value = :value",
            client_id=client_id,
            region_id=region_id,
            name=name,
            value=limits[name],
        )


async def get_limit_request(tx: Tx, client_id: int, request_id: int) -> LimitRequest:
    """Return a limit request of a tenant; raises NotFound."""
    where = "id = :id AND client_id = :client_id"
    request = await REQUESTS.find_one(tx, where, id=request_id, client_id=client_id)
    if request is None:
        raise not_found("Limit request", request_id)
    return request


async def count_limit_requests(tx: Tx, client_id: int, status: str) -> int:
    """Count the limit requests of a tenant in a status."""
    row = await tx.one(
        "SELECT count(*) FROM limit_requests WHERE client_id = :client_id AND status = :status",
        client_id=client_id,
        status=status,
    )
    return int(row[0]) if row else 0


async def page_limit_requests(
    tx: Tx,
    client_id: int,
    *,
    ids: Sequence[int] | None,
    statuses: Sequence[str] | None,
    since: int | None,
    until: int | None,
    limit: int,
    offset: int,
) -> tuple[int, list[LimitRequest]]:
    """Return the number of a tenant's limit requests and one page, newest first; ALL_CLIENTS: of all tenants."""
    where = (
        queries.Where(in_reach_condition(client_id), client_id=client_id).any_of("id", ids).any_of("status", statuses)
    )
    where.between("created_at", since, until)
    return await queries.page(
        tx, REQUESTS, where, queries.order_by_expression("created_at.desc"), limit=limit, offset=offset
    )


async def find_threshold(tx: Tx, client_id: int) -> QuotaThreshold | None:
    """Return a tenant's threshold, or None."""
    return await THRESHOLDS.find_one(tx, "client_id = :client_id", client_id=client_id)


async def save_threshold(tx: Tx, before: QuotaThreshold | None, after: QuotaThreshold) -> QuotaThreshold:
    """Insert or update a threshold; raises Stale."""
    return await (THRESHOLDS.add(tx, after) if before is None else THRESHOLDS.save(tx, before, after))
