"""Deliver audit events to subscribers: each event at least once and in order.

The events to deliver are saved in the transaction of the change itself. A worker leases a subscription while it sends;
if the worker dies, another one continues when the lease expires. A subscriber that cannot be reached is retried after
growing delays, and does not delay the others. Events that a subscriber refuses for good, and events that are too old,
are dropped and logged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from pileus.domain.account.subscriptions import RETENTION, SECOND, Subscription
from pileus.domain.account.user_actions import UserAction
from pileus.outbound.protocols import Notifier, NotSentError
from pileus.store.account import subscriptions, user_actions
from pileus.store.database import Database, Tx
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.periodic import FailureLog, repeat

LOG = logging.getLogger(__name__)
POLL_INTERVAL = 0.5
"""Seconds between polls for due subscriptions."""
MAX_CONCURRENT, BATCH_SIZE = 16, 100
"""Subscriptions that are served concurrently, and events that are sent before another subscription gets its turn."""
DROPPED_AT_ONCE = 1000
"""Events that are too old and dropped by one statement: many may wait for a subscriber that is away."""
BATCH_TIME, LEASE = 60 * SECOND, 120 * SECOND
"""How long one batch may take, and how long a worker leases a subscription, in microseconds."""


@dataclass(slots=True)
class DeliveryOutcome:
    """The ids of sent and of dropped events of a batch, and the failure that ended it."""

    sent: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    failure: str | None = None


@dataclass(slots=True)
class EventDeliverer:
    """Serves subscriptions: `run` until it is cancelled, `run_until_idle` until none is due.

    `ensure_tenant` copies what another database has of the tenant, before anything is sent to it.
    """

    db: Database
    notifier: Notifier
    encode: Callable[[UserAction], bytes]
    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ensure_tenant: Callable[[int], Awaitable[None]] | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "A subscription could not be served"))

    async def run(self) -> None:
        """Serve due subscriptions concurrently until cancelled; failures are logged."""
        try:
            await repeat(self._start_due, POLL_INTERVAL, self.sleep, LOG, "Polling subscriptions failed")
        finally:
            await cancel_and_wait(*self._running)

    async def run_until_idle(self) -> None:
        """Serve all due subscriptions, one after the other."""
        while due := await self._list_due(1):
            await self._deliver(due[0])

    async def _start_due(self) -> None:
        for subscription in await self._list_due(MAX_CONCURRENT - len(self._running)):
            self._start(subscription)

    async def _list_due(self, limit: int) -> list[Subscription]:
        async with self.db.scan() as tx:
            return await subscriptions.list_due_for_delivery(tx, self.now(), limit)

    def _start(self, subscription: Subscription) -> None:
        running = asyncio.create_task(
            self._deliver_and_log_failure(subscription), name=f"subscription-{subscription.id}"
        )
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _deliver_and_log_failure(self, subscription: Subscription) -> None:
        try:
            await self._deliver(subscription)
        except Exception as failure:  # noqa: BLE001  # logged; the subscription is served again when its lease expires
            self._failures.add(failure, subscription_id=subscription.id)
        else:
            self._failures.clear()

    async def _deliver(self, subscription: Subscription) -> None:
        if self.ensure_tenant:
            await self.ensure_tenant(subscription.client_id)
        leased = await self.db.write(partial(self._lease, subscription))
        if leased is None:
            return
        await self._drop_old_events(leased)
        async with self.db.read() as tx:
            pending = await user_actions.list_undelivered_actions(tx, leased.id, BATCH_SIZE)
        outcome = await self._send(leased, pending)
        await self.db.write(partial(self._save_outcome, leased, outcome))

    async def _lease(self, subscription: Subscription, tx: Tx) -> Subscription | None:
        """Lease the subscription; return None if it has changed meanwhile."""
        now, current = self.now(), await subscriptions.find(tx, subscription.id)
        if current is None or current.revision != subscription.revision:
            return None
        return await subscriptions.save(tx, current, current.leased(now + LEASE))

    async def _drop_old_events(self, subscription: Subscription) -> None:
        before, dropped = self.now() - RETENTION, 0
        while await self._has_older_event(subscription, before):
            dropped += await self.db.write(
                lambda tx: subscriptions.remove_deliveries_before(tx, subscription.id, before, DROPPED_AT_ONCE)
            )
        if dropped:
            details = {"subscription_id": subscription.id, "lines": dropped}
            LOG.warning("Audit events are dropped: too old", extra=details)

    async def _has_older_event(self, subscription: Subscription, before: int) -> bool:
        async with self.db.read() as tx:
            oldest = await subscriptions.find_oldest_delivery_time(tx, subscription.id)
        return oldest is not None and oldest < before

    async def _send(self, subscription: Subscription, pending: list[UserAction]) -> DeliveryOutcome:
        """Send the events in order, up to the first failure or the end of the batch's time."""
        outcome, started_at = DeliveryOutcome(), self.now()
        for action in pending:
            if self.now() - started_at > BATCH_TIME:
                break
            try:
                await self.notifier.send(subscription.target, action.id, self.encode(action), self.now())
                outcome.sent.append(action.id)
            except NotSentError as failure:
                if not failure.refused:
                    outcome.failure = str(failure)
                    break
                details = {"subscription_id": subscription.id, "user_action_id": action.id, "reason": str(failure)}
                LOG.warning("An audit event is dropped: refused", extra=details)
                outcome.dropped.append(action.id)
        return outcome

    async def _save_outcome(self, leased: Subscription, outcome: DeliveryOutcome, tx: Tx) -> None:
        now, current = self.now(), await subscriptions.find(tx, leased.id)
        await subscriptions.acknowledge_deliveries(tx, leased.id, outcome.sent, outcome.dropped)
        if current is None:
            return
        # If the target was changed meanwhile, the failure was that of the previous target.
        has_failed = outcome.failure is not None and current.target == leased.target
        # A sent event resets the retry delay.
        after_sent = current.after_successful_delivery(now) if outcome.sent else current
        await subscriptions.save(
            tx, current, after_sent.after_failed_delivery(now) if has_failed else current.after_successful_delivery(now)
        )
        if outcome.failure:
            details = {"subscription_id": leased.id, "reason": outcome.failure, "failures": current.failures + 1}
            LOG.info("A subscriber cannot be reached", extra=details)
