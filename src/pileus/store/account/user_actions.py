"""The audit log."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from pileus.domain.account.user_actions import UserAction
from pileus.store import queries
from pileus.store.account import subscriptions
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("user_actions", UserAction)


class UserActionFilter(Struct, frozen=True, kw_only=True):
    """Filters of a tenant's actions; times are inclusive, and None adds no condition."""

    action_types: Sequence[str] | None = None
    api_groups: Sequence[str] | None = None
    project_ids: Sequence[int] | None = None
    region_ids: Sequence[int] | None = None
    resource_ids: Sequence[str] | None = None
    search_field: str | None = None
    source_user_ips: Sequence[str] | None = None
    user_agents: Sequence[str] | None = None
    since: int | None = None
    until: int | None = None

    def where(self, client_id: int) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where("client_id = :client_id", client_id=client_id)
        where.any_of("action_type", self.action_types).any_of("api_group", self.api_groups)
        where.any_of("project_id", self.project_ids).any_of("region_id", self.region_ids)
        where.any_of("source_user_ip", self.source_user_ips).any_of("user_agent", self.user_agents)
        _with_resource(where, "resource_id", self.resource_ids or ())
        _with_resource(where, "search_field", () if self.search_field is None else (self.search_field,))
        return where.between("created_at", self.since, self.until)


def _with_resource(where: queries.Where, field: str, values: Sequence[str]) -> None:
    """Require a resource whose field has one of the values; a search in the JSON text."""
    patterns = {f"{field}_{number}": f'%"{field}":{_json_pattern(value)}%' for number, value in enumerate(values)}
    if patterns:
        where.add(" OR ".join(f"lower(resources) LIKE lower(:{name}) ESCAPE '\\'" for name in patterns), **patterns)


def _json_pattern(value: str) -> str:
    return queries.escape_like(msgspec.json.encode(value).decode())


async def page(
    tx: Tx, client_id: int, filters: UserActionFilter, *, limit: int, offset: int, direction: str = "desc"
) -> tuple[int, list[UserAction]]:
    """Return the number of matching actions and one page of them, sorted by time."""
    order = f"created_at {direction}, id {direction}"
    return await queries.page(tx, TABLE, filters.where(client_id), order, limit=limit, offset=offset)


async def add(tx: Tx, action: UserAction, queued_at: int) -> None:
    """Insert an action and queue its deliveries, in the transaction of the change that it records.

    `queued_at` is the time on the system's clock, so that actions are delivered in the order in which they happened.
    """
    await TABLE.add(tx, action)
    await subscriptions.enqueue_deliveries(tx, action, queued_at)


async def list_undelivered_actions(tx: Tx, subscription_id: int, limit: int) -> list[UserAction]:
    """Return the actions that wait to be delivered to a subscription, oldest first."""
    rows = await tx.all(
        f"SELECT {TABLE.qualified_columns('a')} FROM deliveries d JOIN user_actions a ON a.id = d.action_id"
        f" WHERE d.subscription_id = :id ORDER BY d.created_at, d.action_id LIMIT {limit}",
        id=subscription_id,
    )
    return TABLE.records_from_rows(tx, rows)
