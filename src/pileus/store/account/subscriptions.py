"""Subscriptions to the audit log, and the outbox of their deliveries."""

from collections.abc import Iterable
from typing import NamedTuple

from pileus.domain.account.subscriptions import Subscription
from pileus.domain.account.user_actions import UserAction
from pileus.domain.errors import not_found
from pileus.store import counters, queries
from pileus.store.database import Tx
from pileus.store.rows import Table

MOST_COUNTED = 1000
TABLE = Table("subscriptions", Subscription, secrets={"target": lambda _: True})
find, add, save = TABLE.find_by_id, TABLE.add, TABLE.save
# Each recursion is one access to the index, however many deliveries a subscription has.
WITH_DELIVERIES = """
WITH RECURSIVE waiting (id) AS (
    SELECT min(subscription_id) FROM deliveries
    UNION ALL
    SELECT (SELECT min(subscription_id) FROM deliveries WHERE subscription_id > waiting.id) FROM waiting
    WHERE id IS NOT NULL
)
SELECT id FROM waiting WHERE id IS NOT NULL
"""


class WaitingDeliveries(NamedTuple):
    """What a subscription has not got yet; `number` is bounded."""

    number: int
    oldest_at: int | None


async def allocate_id(tx: Tx) -> int:
    """Return the id of a new subscription."""
    return await counters.increment(tx, "subscriptions")


async def get(tx: Tx, client_id: int, kind: str, subscription_id: int) -> Subscription:
    """Return a subscription of a tenant; raises NotFound."""
    where = "id = :id AND client_id = :client_id AND kind = :kind"
    subscription = await TABLE.find_one(tx, where, id=subscription_id, client_id=client_id, kind=kind)
    if subscription is None:
        raise not_found("Subscription", subscription_id)
    return subscription


async def list_all(tx: Tx, client_id: int, kind: str) -> list[Subscription]:
    """Return all subscriptions of a tenant of one kind, oldest first."""
    where = "client_id = :client_id AND kind = :kind ORDER BY id"
    return await TABLE.find(tx, where, client_id=client_id, kind=kind)


async def page(tx: Tx, client_id: int, kind: str, *, limit: int, offset: int) -> tuple[int, list[Subscription]]:
    """Return the number of a tenant's subscriptions of one kind and one page, oldest first."""
    where = queries.Where("client_id = :client_id", client_id=client_id).equal("kind", kind)
    return await queries.page(tx, TABLE, where, "id asc", limit=limit, offset=offset)


async def remove(tx: Tx, subscription_id: int) -> None:
    """Delete a subscription and its pending deliveries."""
    await TABLE.remove(tx, subscription_id)


async def enqueue_deliveries(tx: Tx, action: UserAction, queued_at: int) -> None:
    """Queue an action for each subscription of its tenant."""
    await tx.send(
        "INSERT INTO deliveries (subscription_id, created_at, action_id)"
        " SELECT id, CAST(:created_at AS BIGINT), CAST(:action_id AS TEXT) FROM subscriptions"
        " WHERE client_id = :client_id",
        created_at=queued_at,
        action_id=action.id,
        client_id=action.client_id,
    )


async def list_due_for_delivery(tx: Tx, now: int, limit: int) -> list[Subscription]:
    """Return the subscriptions with deliveries that are due, longest waiting first."""
    where = f"next_at <= :now AND id IN ({WITH_DELIVERIES})"
    return await TABLE.find(tx, f"{where} ORDER BY next_at, id LIMIT {limit}", now=now)


async def count_waiting(tx: Tx, subscription_id: int) -> WaitingDeliveries:
    """Count the deliveries of a subscription, up to a bound, and find the time of the oldest one."""
    row = await tx.one(
        "SELECT count(*), min(created_at) FROM (SELECT created_at FROM deliveries WHERE subscription_id = :id"
        f" ORDER BY created_at LIMIT {MOST_COUNTED}) AS waiting",
        id=subscription_id,
    )
    number, oldest_at = row or (0, None)
    return WaitingDeliveries(number, oldest_at)


async def find_oldest_delivery_time(tx: Tx, subscription_id: int) -> int | None:
    """Return the time of the oldest event that a subscription waits for."""
    row = await tx.one("SELECT min(created_at) FROM deliveries WHERE subscription_id = :id", id=subscription_id)
    return row[0] if row else None


async def remove_deliveries_before(tx: Tx, subscription_id: int, before: int, limit: int) -> int:
    """Delete up to `limit` pending deliveries of a subscription that are older, and return their number."""
    return await tx.run(
        "DELETE FROM deliveries WHERE subscription_id = :id AND (created_at, action_id) IN"
        " (SELECT created_at, action_id FROM deliveries WHERE subscription_id = :id AND created_at < :before"
        " ORDER BY created_at, action_id LIMIT :limit)",
        id=subscription_id,
        before=before,
        limit=limit,
    )


async def acknowledge_deliveries(tx: Tx, subscription_id: int, sent: Iterable[str], dropped: Iterable[str]) -> None:
    """Remove deliveries that were sent or dropped; acknowledge an action once all its subscribers have it."""
    sent_ids = set(sent)
    for action_id in sorted(sent_ids | set(dropped)):
        parameters = {"id": action_id, "subscription_id": subscription_id}
        # Lock the action: a concurrent delivery to another subscriber waits, and then sees this one.
        await tx.lock("UPDATE user_actions SET acknowledged = acknowledged WHERE id = :id", id=action_id)
        await tx.send(
            "DELETE FROM deliveries WHERE subscription_id = :subscription_id AND action_id = :id", **parameters
        )
        if action_id in sent_ids:
            await tx.send(
                "UPDATE user_actions SET acknowledged = 1 WHERE id = :id"
                " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE action_id = :id)",
                id=action_id,
            )
