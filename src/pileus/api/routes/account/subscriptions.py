"""Subscriptions to the audit log: by HTTP and by AMQP."""

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec.structs import replace

from pileus.api.auth import ADMINISTER, READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.subscriptions import (
    QueueView,
    Subscribe,
    SubscribeQueue,
    TestQueue,
    UpdateQueue,
    WebhookView,
)
from pileus.api.wire.paging import Page
from pileus.domain.account.subscriptions import MOST, Queue, Target, Webhook, new_subscription, with_target
from pileus.domain.errors import Conflict, invalid
from pileus.outbound.protocols import NotSentError
from pileus.store.account import clients, subscriptions
from pileus.store.database import Tx

ROOT = "/cloud/v1/user_actions"
QUEUE = f"{ROOT}/amqp_subscriptions/{{subscription_id:int}}"
TEST_MESSAGE = {"test": True, "message": "A test message of the audit log"}


@get(f"{ROOT}/subscriptions_list", opt=READ, tags=["User Actions"])
async def list_webhooks(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[WebhookView]:
    """List the addresses that the audit log is posted to; secrets are hidden."""
    client_id = ctx.caller.client_id
    async with ctx.db.read() as tx:
        count, found = await subscriptions.page(tx, client_id, "webhook", limit=limit, offset=offset)
    shown = [WebhookView.of(each.id, each.target) for each in found if isinstance(each.target, Webhook)]
    return Page(count=count, results=shown)


@get(f"{ROOT}/amqp_subscriptions_list", opt=READ, tags=["User Actions"])
async def list_queues(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[QueueView]:
    """List the message brokers that the audit log is published to; passwords are hidden."""
    client_id = ctx.caller.client_id
    async with ctx.db.read() as tx:
        count, found = await subscriptions.page(tx, client_id, "amqp", limit=limit, offset=offset)
    shown = [QueueView.of(each.id, each.target) for each in found if isinstance(each.target, Queue)]
    return Page(count=count, results=shown)


@post(f"{ROOT}/subscribe", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def subscribe(ctx: Ctx, data: JSONBody[Subscribe]) -> None:
    """Let every new line of the audit log be posted to an address, in order and at least once.

    Each request has the header that you name, and those of the Standard Webhooks specification: `webhook-id` (the
    line's id: the same line may come twice), `webhook-timestamp`, and `webhook-signature`, an HMAC with SHA-256 over
    both and the body, whose key is the value of your header. Any answer of 200 to 299 takes the line; others are tried
    again after growing pauses for three days, but for refusals of that line itself (400, 422, …). An address that has a
    subscription already gets the new header.
    """
    await _add(ctx, data.target())


@post(f"{ROOT}/subscribe_amqp", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def subscribe_queue(ctx: Ctx, data: JSONBody[SubscribeQueue]) -> None:
    """Let every new line of the audit log be published to a message broker (AMQP 0-9-1), in order and at least once.

    Messages are persistent, and confirmed by the broker; one that goes to no queue is tried again. `message_id` is the
    line's id: the same line may come twice.
    """
    await _add(ctx, data.target())


@post(f"{ROOT}/unsubscribe", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def unsubscribe(ctx: Ctx) -> None:
    """Let the audit log be posted nowhere any more; what was still to be posted never is."""
    await _remove(ctx, "webhook")


@post(f"{ROOT}/unsubscribe_amqp", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def unsubscribe_queue(ctx: Ctx) -> None:
    """Let the audit log be published nowhere any more; what was still to be published never is."""
    await _remove(ctx, "amqp")


@post(f"{ROOT}/subscribe_amqp_test", opt=ADMINISTER, status_code=204, tags=["User Actions"])
async def try_queue(ctx: Ctx, data: JSONBody[TestQueue]) -> None:
    """Publish a message to a broker, to see whether it arrives; if not, the answer tells why."""
    body = msgspec.json.encode(TEST_MESSAGE)
    try:
        await ctx.app.notifier.send(data.target(), ctx.request_id, body, ctx.now())
    except NotSentError as problem:
        raise invalid(connection_string=f"The message has not arrived: {problem}") from problem


@get(QUEUE, opt=READ, tags=["User Actions"])
async def get_queue(ctx: Ctx, subscription_id: FromPath[int]) -> QueueView:
    """Show a message broker that the audit log is published to; its password is hidden."""
    async with ctx.db.read() as tx:
        found = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
    return QueueView.of(found.id, _queue(found.target))


@patch(QUEUE, opt=ADMINISTER, tags=["User Actions"])
async def update_queue(ctx: Ctx, subscription_id: FromPath[int], data: JSONBody[UpdateQueue]) -> QueueView:
    """Change to where the audit log is published; what is still to be published goes there."""
    async with ctx.db.read() as tx:
        former = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
    await _may_be_sent(ctx, with_target(_queue(former.target), **data.changes()))

    async def write(tx: Tx) -> QueueView:
        before = await subscriptions.get(tx, ctx.caller.client_id, "amqp", subscription_id)
        target = with_target(_queue(before.target), **data.changes())
        changed = replace(before, target=target).succeeded(ctx.now())
        await subscriptions.save(tx, before, changed)
        return QueueView.of(before.id, target)

    return await ctx.db.write(write)


async def _add(ctx: RequestContext, target: Target) -> None:
    client_id, now = ctx.caller.client_id, ctx.now()
    await _may_be_sent(ctx, target)

    async def write(tx: Tx) -> None:
        await clients.lock(tx, client_id)
        new = new_subscription(await subscriptions.next_id(tx), client_id, target, now)
        held = await subscriptions.every(tx, client_id, new.kind)
        for before in held:
            if _place(before.target) == _place(target):
                await subscriptions.save(tx, before, replace(before, target=target).succeeded(now))
                return
        if len(held) >= MOST:
            raise Conflict(f"There are {MOST} subscriptions already: unsubscribe first")
        await subscriptions.add(tx, new)

    await ctx.db.write(write)


async def _may_be_sent(ctx: RequestContext, target: Target) -> None:
    """Return if lines may be sent to a target; raises Invalid."""
    try:
        await ctx.app.notifier.check(target)
    except NotSentError as problem:
        raise invalid(**{"url" if isinstance(target, Webhook) else "connection_string": str(problem)}) from problem


async def _remove(ctx: RequestContext, kind: str) -> None:
    async def write(tx: Tx) -> None:
        for each in await subscriptions.every(tx, ctx.caller.client_id, kind):
            await subscriptions.remove(tx, each.id)

    await ctx.db.write(write)


def _place(target: Target) -> tuple[str | None, ...]:
    """What tells one subscription from another."""
    if isinstance(target, Webhook):
        return (target.url,)
    return target.address_without_password, target.exchange, target.routing_key


def _queue(target: Target) -> Queue:
    if not isinstance(target, Queue):
        raise TypeError(target)
    return target


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
