"""Add, update and remove subscriptions to the audit log."""

from typing import Any

from msgspec.structs import replace

from pileus.domain.account.subscriptions import (
    MAX_SUBSCRIPTIONS,
    Queue,
    SubscriptionTarget,
    Webhook,
    new_subscription,
    with_target,
)
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.store.account import clients, subscriptions
from pileus.store.database import Tx


async def add_subscription(tx: Tx, ctx: Context, target: SubscriptionTarget) -> None:
    """Subscribe a target, or update the subscription that has the same destination. Raises Conflict if there are MOST.

    The tenant is locked, so that two requests cannot add one too many.
    """
    client_id, now = ctx.caller.client_id, ctx.now()
    await clients.lock(tx, client_id)
    subscription = new_subscription(await subscriptions.allocate_id(tx), client_id, target, now)
    existing = await subscriptions.list_all(tx, client_id, subscription.kind)
    for other in existing:
        if _destination(other.target) == _destination(target):
            await subscriptions.save(tx, other, replace(other, target=target).succeeded(now))
            return
    if len(existing) >= MAX_SUBSCRIPTIONS:
        raise Conflict(f"There are {MAX_SUBSCRIPTIONS} subscriptions already: unsubscribe first")
    await subscriptions.add(tx, subscription)


async def update_queue(tx: Tx, ctx: Context, subscription_id: int, changes: dict[str, Any]) -> Queue:
    """Change the broker of a subscription; queued lines go to the new one at once. Raises NotFound or Invalid."""
    subscription = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
    target = with_target(require_queue(subscription.target), **changes)
    await subscriptions.save(tx, subscription, replace(subscription, target=target).succeeded(ctx.now()))
    return target


async def remove_subscriptions(tx: Tx, ctx: Context, kind: str) -> None:
    """Remove all subscriptions of a kind, with the lines that are queued for them."""
    for subscription in await subscriptions.list_all(tx, ctx.caller.client_id, kind):
        await subscriptions.remove(tx, subscription.id)


def require_queue(target: SubscriptionTarget) -> Queue:
    """Return the target of an AMQP subscription, typed. Raises TypeError for a webhook."""
    if not isinstance(target, Queue):
        raise TypeError(target)
    return target


def _destination(target: SubscriptionTarget) -> tuple[str | None, ...]:
    """Return the fields that identify a subscription."""
    if isinstance(target, Webhook):
        return (target.url,)
    return target.masked_connection_string, target.exchange, target.routing_key
