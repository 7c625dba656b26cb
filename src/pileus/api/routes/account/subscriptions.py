"""Subscriptions to the audit log, by HTTP and by AMQP."""

from typing import TypeVar

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import ADMINISTER, READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.subscription_requests import SubscribeQueue, SubscribeWebhook, TestQueue, UpdateQueue
from pileus.api.wire.account.subscriptions import QueueView, WebhookView
from pileus.api.wire.paging import Page
from pileus.domain.account.subscriptions import QueueTarget, SubscriptionTarget, WebhookTarget, queue_with_changes
from pileus.domain.errors import invalid
from pileus.outbound.protocols import NotSentError
from pileus.services.account import subscriptions as subscription_service
from pileus.store.account import subscriptions

T = TypeVar("T", QueueTarget, WebhookTarget)

ROOT = "/cloud/v1/user_actions"
QUEUE = f"{ROOT}/amqp_subscriptions/{{subscription_id:int}}"
TEST_MESSAGE = {"test": True, "message": "A test message of the audit log"}


@get(f"{ROOT}/subscriptions_list", opt=READ, tags=["User Actions"])
async def list_webhooks(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[WebhookView]:
    """List the URLs that the audit log is posted to. Secrets are masked."""
    count, targets = await _page_targets(ctx, "webhook", WebhookTarget, limit, offset)
    return Page(count=count, results=[WebhookView.of(number, target) for number, target in targets])


@get(f"{ROOT}/amqp_subscriptions_list", opt=READ, tags=["User Actions"])
async def list_queues(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[QueueView]:
    """List the message brokers that the audit log is published to. Passwords are masked."""
    count, targets = await _page_targets(ctx, "amqp", QueueTarget, limit, offset)
    return Page(count=count, results=[QueueView.of(number, target) for number, target in targets])


@post(f"{ROOT}/subscribe", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def subscribe(ctx: Ctx, data: JSONBody[SubscribeWebhook]) -> None:
    """Post every new entry of the audit log to a URL, in order and at least once.

    Each request has the header that you specify, and the headers of the Standard Webhooks specification: `webhook-id`
    (the id of the entry; an entry may be posted twice), `webhook-timestamp`, and `webhook-signature`, an HMAC with
    SHA-256 of both and the body, whose key is the value of your header. Any answer from 200 to 299 accepts the entry.
    Other answers are retried with growing pauses for three days, except for rejections of the entry itself (400, 422,
    …). If the URL has a subscription already, it gets the new header.
    """
    await _add_subscription(ctx, data.to_webhook())


@post(f"{ROOT}/subscribe_amqp", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def subscribe_queue(ctx: Ctx, data: JSONBody[SubscribeQueue]) -> None:
    """Publish every new entry of the audit log to a message broker (AMQP 0-9-1), in order and at least once.

    Messages are persistent and confirmed by the broker; a message that reaches no queue is retried. `message_id` is
    the id of the entry; an entry may be published twice.
    """
    await _add_subscription(ctx, data.to_queue())


@post(f"{ROOT}/unsubscribe", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def unsubscribe(ctx: Ctx) -> None:
    """Remove all webhook subscriptions. Entries that have not been posted yet are dropped."""
    await ctx.write(lambda tx: subscription_service.remove_subscriptions_of_kind(tx, ctx, "webhook"))


@post(f"{ROOT}/unsubscribe_amqp", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def unsubscribe_queue(ctx: Ctx) -> None:
    """Remove all AMQP subscriptions. Entries that have not been published yet are dropped."""
    await ctx.write(lambda tx: subscription_service.remove_subscriptions_of_kind(tx, ctx, "amqp"))


@post(f"{ROOT}/subscribe_amqp_test", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def try_queue(ctx: Ctx, data: JSONBody[TestQueue]) -> None:
    """Publish a test message to a broker. If it does not arrive, the answer contains the reason."""
    body = msgspec.json.encode(TEST_MESSAGE)
    try:
        await ctx.app.notifier.send(data.to_queue(), ctx.request_id, body, ctx.app.clock.system_now())
    except NotSentError as problem:
        raise invalid(connection_string=f"The message has not arrived: {problem}") from problem


@get(QUEUE, opt=READ, tags=["User Actions"])
async def get_queue(ctx: Ctx, subscription_id: FromPath[int]) -> QueueView:
    """Get a message broker that the audit log is published to. Its password is masked."""
    return QueueView.of(subscription_id, await _read_queue(ctx, subscription_id))


@patch(QUEUE, opt=ADMINISTER, tags=["User Actions"])
async def update_queue(ctx: Ctx, subscription_id: FromPath[int], data: JSONBody[UpdateQueue]) -> QueueView:
    """Change the message broker that the audit log is published to. Entries still waiting go to the new one."""
    changes = data.changed_fields()
    existing = await _read_queue(ctx, subscription_id)
    await _check_target(ctx, queue_with_changes(existing, **changes))
    queue = await ctx.write(
        lambda tx: subscription_service.update_queue_subscription(tx, ctx, subscription_id, changes)
    )
    return QueueView.of(subscription_id, queue)


async def _read_queue(ctx: RequestContext, subscription_id: int) -> QueueTarget:
    async with ctx.db.read() as tx:
        subscription = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
    return subscription_service.require_queue_target(subscription.target)


async def _add_subscription(ctx: RequestContext, target: SubscriptionTarget) -> None:
    await _check_target(ctx, target)
    await ctx.write(lambda tx: subscription_service.add_or_update_subscription(tx, ctx, target))


async def _check_target(ctx: RequestContext, target: SubscriptionTarget) -> None:
    """Check that the server may send to a target. Raises Invalid."""
    try:
        await ctx.app.notifier.check_target(target)
    except NotSentError as problem:
        raise invalid(
            **{"url" if isinstance(target, WebhookTarget) else "connection_string": str(problem)}
        ) from problem


async def _page_targets(
    ctx: RequestContext, kind: str, target_type: type[T], limit: int, offset: int
) -> tuple[int, list[tuple[int, T]]]:
    """Return the number of subscriptions of one kind, and one page of ids and targets."""
    async with ctx.db.read() as tx:
        count, page = await subscriptions.page(tx, ctx.caller.client_id, kind, limit=limit, offset=offset)
    targets = [(subscription.id, subscription.target) for subscription in page]
    return count, [(number, target) for number, target in targets if isinstance(target, target_type)]


ROUTES = [
    list_webhooks,
    list_queues,
    subscribe,
    subscribe_queue,
    unsubscribe,
    unsubscribe_queue,
    try_queue,
    get_queue,
    update_queue,
]
