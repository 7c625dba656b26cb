"""Sends the audit log to those who have subscribed to it: each line at least once, in order, whatever fails meanwhile.

What is to be sent is written down in the transaction of the change itself. A worker holds a subscription for as long as
it sends; should it die, another goes on when that time is over. A subscriber that cannot be reached is left alone for
growing pauses, and delays nobody else. What it refuses for good, and what is too old, is dropped and told to the
operator's log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from pileus.domain.account.subscriptions import KEPT, SECOND, Subscription
from pileus.domain.account.user_actions import UserAction
from pileus.outbound.protocols import Notifier, NotSentError
from pileus.store.account import subscriptions, user_actions
from pileus.store.database import Database, Tx
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
EVERY = 0.5
"""Seconds between looks."""
AT_ONCE, IN_A_ROW = 16, 100
"""Subscriptions that are served at once, and lines that each gets before others have their turn."""
BUDGET, HELD = 60 * SECOND, 120 * SECOND
"""For how long lines are sent in a row, and a worker holds a subscription."""


@dataclass(slots=True)
class Outcome:
    """What has arrived of a row of lines, what never will, and the failure that ended it."""

    sent: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    failure: str | None = None


@dataclass(slots=True)
class Deliverer:
    """Serves subscriptions; `run` works until cancelled, `settle` until nobody waits."""

    db: Database
    notifier: Notifier
    written: Callable[[UserAction], bytes]
    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Serve many at once, again and again; a failure is not the last try."""
        try:
            await repeat(self._look, EVERY, self.sleep, LOG, "Subscriptions could not be looked at")
        finally:
            await cancel_and_wait(*self._serving)

    async def settle(self) -> None:
        """Serve each that waits, one after the other."""
        while waiting := await self._waiting(1):
            await self._serve(waiting[0])

    async def _look(self) -> None:
        for each in await self._waiting(AT_ONCE - len(self._serving)):
            self._start(each)

    async def _waiting(self, number: int) -> list[Subscription]:
        async with self.db.read() as tx:
            return await subscriptions.waiting(tx, self.now(), number)

    def _start(self, seen: Subscription) -> None:
        serving = asyncio.create_task(self._guarded(seen), name=f"subscription-{seen.id}")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _guarded(self, seen: Subscription) -> None:
        try:
            await self._serve(seen)
        except Exception:
            LOG.exception("A subscription could not be served", extra={"subscription_id": seen.id})

    async def _serve(self, seen: Subscription) -> None:
        held = await self.db.write(partial(self._hold, seen))
        if held is None:
            return
        async with self.db.read() as tx:
            owed = await user_actions.pending_for(tx, held.id, IN_A_ROW)
        outcome = await self._sent(held, owed)
        await self.db.write(partial(self._note, held, outcome))

    async def _hold(self, seen: Subscription, tx: Tx) -> Subscription | None:
        """Take a subscription, without what has waited too long; None if another worker was quicker."""
        now, current = self.now(), await subscriptions.find(tx, seen.id)
        if current is None or current.revision != seen.revision:
            return None
        if dropped := await subscriptions.drop(tx, seen.id, now - KEPT):
            LOG.warning("Lines are not sent: too old", extra={"subscription_id": seen.id, "lines": dropped})
        return await subscriptions.save(tx, current, current.leased(now + HELD))

    async def _sent(self, held: Subscription, owed: list[UserAction]) -> Outcome:
        """Send in order, up to the first failure."""
        outcome, began = Outcome(), self.now()
        for action in owed:
            if self.now() - began > BUDGET:
                break
            try:
                await self.notifier.send(held.target, action.id, self.written(action), self.now())
                outcome.sent.append(action.id)
            except NotSentError as failure:
                if not failure.refused:
                    outcome.failure = str(failure)
                    break
                told = {"subscription_id": held.id, "user_action_id": action.id, "reason": str(failure)}
                LOG.warning("A line of the audit log is not sent", extra=told)
                outcome.dropped.append(action.id)
        return outcome

    async def _note(self, held: Subscription, outcome: Outcome, tx: Tx) -> None:
        now, current = self.now(), await subscriptions.find(tx, held.id)
        await subscriptions.mark_delivered(tx, held.id, outcome.sent, outcome.dropped)
        if current is None:
            return
        # What has changed meanwhile has another target: it was the former one that failed.
        failed = outcome.failure is not None and current.target == held.target
        # Who has taken something is there: only in a row do failures make for longer pauses.
        so_far = current.succeeded(now) if outcome.sent else current
        await subscriptions.save(tx, current, so_far.failed(now) if failed else current.succeeded(now))
        if outcome.failure:
            told = {"subscription_id": held.id, "reason": outcome.failure, "failures": current.failures + 1}
            LOG.info("A subscriber cannot be reached", extra=told)
