"""Add, update and remove subscriptions to the audit log."""

from typing import Any

from msgspec.structs import replace

from pileus.domain.account.subscriptions import (
    QueueTarget,
    SubscriptionTarget,
    WebhookTarget,
    new_subscription,
    queue_with_changes,
)
from pileus.domain.context import Context
from pileus.domain.errors import Invalid
from pileus.domain.limits import SUBSCRIPTIONS
from pileus.store.account import account_revisions, clients, subscriptions
from pileus.store.database import Tx


async def add_or_update_subscription(tx: Tx, ctx: Context, target: SubscriptionTarget) -> None:
    """Subscribe a target, or update the subscription that has the same destination.

    Raises Invalid if there are too many. The tenant is locked, so that two requests cannot add one too many.
    """
    client_id, now = ctx.caller.client_id, ctx.now()
    await clients.lock(tx, client_id)
    await account_revisions.bump(tx, client_id)
    subscription = new_subscription(await subscriptions.allocate_id(tx), client_id, target, now)
    existing = await subscriptions.list_all(tx, client_id, subscription.kind)
    for other in existing:
        if _destination(other.target) == _destination(target):
            await subscriptions.save(tx, other, replace(other, target=target).after_successful_delivery(now))
            return
    if len(existing) >= SUBSCRIPTIONS.value:
        raise Invalid(f"There are {SUBSCRIPTIONS.value} subscriptions already: unsubscribe first")
    await subscriptions.add(tx, subscription)


async def update_queue_subscription(tx: Tx, ctx: Context, subscription_id: int, changes: dict[str, Any]) -> QueueTarget:
    """Change the broker of a subscription; queued lines go to the new one at once. Raises NotFound or Invalid."""
    subscription = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
    await account_revisions.bump(tx, subscription.client_id)
    target = queue_with_changes(require_queue_target(subscription.target), **changes)
    await subscriptions.save(
        tx, subscription, replace(subscription, target=target).after_successful_delivery(ctx.now())
    )
    return target


async def remove_subscriptions_of_kind(tx: Tx, ctx: Context, kind: str) -> None:
    """Remove all subscriptions of a kind, with the lines that are queued for them."""
    await account_revisions.bump(tx, ctx.caller.client_id)
    for subscription in await subscriptions.list_all(tx, ctx.caller.client_id, kind):
        await subscriptions.remove(tx, subscription.id)


def require_queue_target(target: SubscriptionTarget) -> QueueTarget:
    """Return the target of an AMQP subscription, typed. Raises TypeError for a webhook."""
    if not isinstance(target, QueueTarget):
        raise TypeError(target)
    return target


def _destination(target: SubscriptionTarget) -> tuple[str | None, ...]:
    """Return the fields that identify a subscription."""
    if isinstance(target, WebhookTarget):
        return (target.url,)
    return target.masked_connection_string, target.exchange, target.routing_key
