"""What waits for the subscribers of the audit log. It is not part of the public API."""

from litestar import get
from msgspec import Struct

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.wire.times import format_zulu
from pileus.domain.account.subscriptions import QueueTarget, Subscription
from pileus.store.account import subscriptions
from pileus.store.account.subscriptions import WaitingDeliveries


class SubscriptionDeliveriesView(Struct, kw_only=True):
    """A subscription, and the entries of the audit log that it has not got yet.

    `waiting` counts at most 1000. After `failures` in a row, the next attempt is at `next_attempt_at`.
    """

    id: int
    kind: str
    address: str
    waiting: int
    failures: int
    oldest_at: str | None
    next_attempt_at: str | None

    @classmethod
    def of(cls, subscription: Subscription, deliveries: WaitingDeliveries) -> "SubscriptionDeliveriesView":
        """Return the view of a subscription."""
        target = subscription.target
        return cls(
            id=subscription.id,
            kind=subscription.kind,
            address=target.masked_connection_string if isinstance(target, QueueTarget) else target.url,
            waiting=deliveries.number,
            failures=subscription.failures,
            oldest_at=format_zulu(deliveries.oldest_at) if deliveries.oldest_at is not None else None,
            next_attempt_at=format_zulu(subscription.next_at) if subscription.failures else None,
        )


@get("/_pileus/subscriptions", opt=READ, tags=["User Actions"])
async def list_subscription_deliveries(ctx: Ctx) -> list[SubscriptionDeliveriesView]:
    """List all subscriptions, by HTTP and by AMQP, with the deliveries that wait and have failed."""
    async with ctx.db.read() as tx:
        kinds = [await subscriptions.list_all(tx, ctx.caller.client_id, kind) for kind in ("webhook", "amqp")]
        return [
            SubscriptionDeliveriesView.of(subscription, await subscriptions.count_waiting(tx, subscription.id))
            for listed in kinds
            for subscription in listed
        ]


ROUTES = [list_subscription_deliveries]
