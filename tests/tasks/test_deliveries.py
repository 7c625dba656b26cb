"""Each audit event is delivered to each subscriber, in order and at least once, whatever fails."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.account.subscriptions import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RETENTION,
    QueueTarget,
    Subscription,
    SubscriptionTarget,
    WebhookTarget,
)
from pileus.domain.account.user_actions import UserAction
from pileus.outbound.protocols import NotSentError
from pileus.store.account import subscriptions, user_actions
from pileus.store.database import Tx
from pileus.tasks.account import deliveries as deliveries_module
from pileus.tasks.account.deliveries import LEASE, EventDeliverer
from tests.domain.builders import NOW
from tests.tasks.workers import CountingDatabase, FlakyDatabase, Workbench


@dataclass(slots=True)
class FakeNotifier:
    """Records the targets and ids of sent messages, or fails."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    on_send: Any = None

    async def check_target(self, target: SubscriptionTarget) -> None:
        """Accept any target."""

    async def send(self, target: SubscriptionTarget, message_id: str, body: bytes, now: int) -> None:  # noqa: ARG002
        """Record a message, or raise the next failure of its target."""
        assert body == message_id.encode()
        if self.on_send:
            await self.on_send()
        name = _name(target)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        self.sent.append((name, message_id))


def _name(target: SubscriptionTarget) -> str:
    return target.url if isinstance(target, WebhookTarget) else target.connection_string


@dataclass(slots=True)
class DeliveryBench:
    """A deliverer with a fake notifier."""

    bench: Workbench
    notifier: FakeNotifier = field(default_factory=FakeNotifier)

    def deliverer(self, **changes: Any) -> EventDeliverer:
        """Return the deliverer of one process."""
        fields = {"db": self.bench.db, "notifier": self.notifier, **changes}
        return EventDeliverer(encode=lambda action: action.id.encode(), now=self.bench.clock, **fields)

    async def subscribe(self, number: int, name: str, client_id: int = 1) -> Subscription:
        """Save a subscription of a tenant."""
        target = WebhookTarget(url=name, auth_header_name="A", auth_header_value="b")
        subscription = Subscription(id=number, client_id=client_id, kind="webhook", target=target, created_at=NOW)
        return await self.bench.db.write(lambda tx: subscriptions.add(tx, subscription))

    async def add_events(self, *names: str, client_id: int = 1) -> None:
        """Save events, one per microsecond."""
        for name in names:
            self.bench.clock.advance(1)
            action = _action(name, client_id, self.bench.clock())
            await self.bench.db.write(lambda tx, action=action: user_actions.add(tx, action, action.created_at))  # type: ignore[misc]

    async def list_acknowledged(self) -> set[str]:
        """Return the ids of the events that all subscribers have got."""
        async with self.bench.db.read() as tx:
            return {action.id for action in await user_actions.TABLE.find(tx, "acknowledged = 1")}

    async def load_subscription(self, number: int) -> Subscription:
        """Return a subscription as it is saved."""
        async with self.bench.db.read() as tx:
            subscription = await subscriptions.find(tx, number)
        assert subscription is not None
        return subscription


def _action(name: str, client_id: int, now: int) -> UserAction:
    empty = dict.fromkeys(
        ("email", "token_id", "project_id", "region_id", "action_data", "task_id", "source_user_ip", "user_agent")
    )
    fields: dict[str, Any] = {"api_group": "project", "action_type": "update", "resources": [], **empty}
    return UserAction(id=name, client_id=client_id, user_id=1, created_at=now, **fields)


@pytest.fixture
def deliveries(bench: Workbench) -> DeliveryBench:
    return DeliveryBench(bench)


async def test_each_event_is_sent_to_each_subscriber_of_its_tenant_in_order(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.subscribe(2, "two")
    await deliveries.subscribe(3, "other tenant", client_id=2)

    await deliveries.add_events("a", "b", "c")
    await deliveries.deliverer().run_until_idle()
    await deliveries.deliverer().run_until_idle()

    assert [name for target, name in deliveries.notifier.sent if target == "one"] == ["a", "b", "c"]
    assert [name for target, name in deliveries.notifier.sent if target == "two"] == ["a", "b", "c"]
    assert len(deliveries.notifier.sent) == 6
    assert await deliveries.list_acknowledged() == {"a", "b", "c"}


async def test_events_before_the_subscription_are_not_sent(deliveries: DeliveryBench) -> None:
    await deliveries.add_events("early")
    await deliveries.subscribe(1, "one")
    await deliveries.deliverer().run_until_idle()

    assert (deliveries.notifier.sent, await deliveries.list_acknowledged()) == ([], set())


async def test_an_unreachable_subscriber_gets_all_events_later_and_delays_nobody(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "away")
    await deliveries.subscribe(2, "here")
    deliveries.notifier.failures["away"] = [NotSentError("away")] * 2
    await deliveries.add_events("a", "b")

    for delay in (0, FIRST_PAUSE, 2 * FIRST_PAUSE):
        await deliveries.deliverer().run_until_idle()
        assert [name for target, name in deliveries.notifier.sent if target == "here"] == ["a", "b"]
        assert [name for target, name in deliveries.notifier.sent if target == "away"] == []
        assert await deliveries.list_acknowledged() == set()
        deliveries.bench.clock.advance(delay)
    await deliveries.deliverer().run_until_idle()

    assert [name for target, name in deliveries.notifier.sent if target == "away"] == ["a", "b"]
    assert await deliveries.list_acknowledged() == {"a", "b"}
    assert (await deliveries.load_subscription(1)).failures == 0


def test_retry_delays_grow_up_to_an_hour() -> None:
    target = QueueTarget(connection_string="amqp://x")
    subscription = Subscription(id=1, client_id=1, kind="amqp", target=target, created_at=NOW)
    delays = []
    for _ in range(40):
        subscription = subscription.after_failed_delivery(NOW)
        delays.append(subscription.next_at - NOW)

    assert delays[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_PAUSE


async def test_a_refused_event_does_not_stop_the_others(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    deliveries.notifier.failures["one"] = [NotSentError("no", refused=True)]
    await deliveries.add_events("a", "b")

    await deliveries.deliverer().run_until_idle()

    assert [name for _, name in deliveries.notifier.sent] == ["b"]
    assert await deliveries.list_acknowledged() == {"b"}


async def test_old_events_are_dropped(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("old")
    deliveries.bench.clock.advance(RETENTION)
    await deliveries.add_events("new")
    deliveries.notifier.failures["one"] = [NotSentError("away")]

    await deliveries.deliverer().run_until_idle()
    assert (deliveries.notifier.sent, (await deliveries.load_subscription(1)).failures) == ([], 1)
    deliveries.bench.clock.advance(FIRST_PAUSE)
    await deliveries.deliverer().run_until_idle()

    assert [name for _, name in deliveries.notifier.sent] == ["new"]


async def test_old_events_are_dropped_in_small_transactions(
    deliveries: DeliveryBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries_module, "DROPPED_AT_ONCE", 2)
    await deliveries.subscribe(1, "one")
    await deliveries.add_events(*(f"old-{number}" for number in range(5)))
    deliveries.bench.clock.advance(RETENTION)
    await deliveries.add_events("new")
    counting = CountingDatabase(deliveries.bench.db)

    await deliveries.deliverer(db=counting).run_until_idle()

    assert [name for _, name in deliveries.notifier.sent] == ["new"]
    # The lease, three times two events or less, and the outcome.
    assert counting.counts["write"] == 5


async def test_looking_for_due_subscriptions_does_not_block_requests(deliveries: DeliveryBench) -> None:
    counting = CountingDatabase(deliveries.bench.db)

    await deliveries.deliverer(db=counting).run_until_idle()

    assert counting.counts == {"read": 0, "scan": 1, "write": 0}


async def test_a_sent_event_resets_the_retry_delay(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "busy")
    await deliveries.add_events(*(f"line-{number:02}" for number in range(12)))
    attempts = 0

    async def refuse_each_fourth() -> None:
        nonlocal attempts
        attempts += 1
        deliveries.notifier.failures["busy"] = [NotSentError("429")] if attempts % 4 == 0 else []

    deliveries.notifier.on_send = refuse_each_fourth
    for _ in range(5):
        await deliveries.deliverer().run_until_idle()
        deliveries.bench.clock.advance(FIRST_PAUSE)

    assert [name for _, name in deliveries.notifier.sent] == [f"line-{number:02}" for number in range(12)]


async def test_a_subscription_that_has_changed_is_not_leased(deliveries: DeliveryBench) -> None:
    stale = await deliveries.subscribe(1, "one")
    await deliveries.add_events("a")
    await deliveries.deliverer().run_until_idle()

    writes = 0

    async def count(tx: Any) -> None:
        nonlocal writes
        writes += 1
        assert await deliveries.deliverer()._lease(stale, tx) is None  # noqa: SLF001  # the race cannot be produced otherwise

    await deliveries.bench.db.write(count)

    assert (writes, deliveries.notifier.sent) == (1, [("one", "a")])


async def test_concurrent_deliveries_to_all_subscribers_acknowledge_the_events(deliveries: DeliveryBench) -> None:
    for number in range(8):
        await deliveries.subscribe(number, f"s-{number}")
    await deliveries.add_events("a", "b")

    writes = (deliveries.bench.db.write(partial(_mark_delivered, number)) for number in range(8))
    await asyncio.gather(*writes)

    assert await deliveries.list_acknowledged() == {"a", "b"}


async def _mark_delivered(number: int, tx: Tx) -> None:
    await subscriptions.acknowledge_deliveries(tx, number, ["a", "b"], [])


async def test_one_of_many_workers_serves_a_subscription(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a", "b", "c")
    reached, may_continue = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await may_continue.wait()

    deliveries.notifier.on_send = wait
    first = asyncio.create_task(deliveries.deliverer().run_until_idle())
    await reached.wait()
    await deliveries.deliverer().run_until_idle()
    may_continue.set()
    await first

    assert [name for _, name in deliveries.notifier.sent] == ["a", "b", "c"]


async def test_after_a_worker_died_another_one_delivers(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a")

    async def die() -> None:
        deliveries.notifier.on_send = None
        raise KeyboardInterrupt

    deliveries.notifier.on_send = die
    with pytest.raises(KeyboardInterrupt):
        await deliveries.deliverer().run_until_idle()
    await deliveries.deliverer().run_until_idle()
    assert deliveries.notifier.sent == []
    deliveries.bench.clock.advance(LEASE)
    await deliveries.deliverer().run_until_idle()

    assert deliveries.notifier.sent == [("one", "a")]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_failure_of_the_previous_target_does_not_count_for_the_new_one(
    deliveries: DeliveryBench, *, fails: bool
) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a", "b")

    async def retarget() -> None:
        deliveries.notifier.on_send = None
        before = await deliveries.load_subscription(1)
        target = WebhookTarget(url="two", auth_header_name="A", auth_header_value="b")
        await deliveries.bench.db.write(lambda tx: subscriptions.save(tx, before, replace(before, target=target)))

    deliveries.notifier.on_send = retarget
    deliveries.notifier.failures["one"] = [NotSentError("away")] if fails else []
    await deliveries.deliverer().run_until_idle()

    assert [name for _, name in deliveries.notifier.sent] == ["a", "b"]
    assert (await deliveries.load_subscription(1)).failures == 0


async def test_a_subscription_may_be_deleted_during_its_delivery(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a")

    async def end() -> None:
        await deliveries.bench.db.write(lambda tx: subscriptions.remove(tx, 1))

    deliveries.notifier.on_send = end
    await deliveries.deliverer().run_until_idle()
    async with deliveries.bench.db.read() as tx:
        assert await tx.all("SELECT * FROM deliveries") == []


async def test_a_slow_batch_ends_after_its_time(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a", "b", "c")

    pending_counts: list[int] = []

    async def pass_time() -> None:
        async with deliveries.bench.db.read() as tx:
            pending_counts.append(len(await user_actions.list_undelivered_actions(tx, 1, 10)))
        deliveries.bench.clock.advance(LEASE // 3)

    deliveries.notifier.on_send = pass_time
    await deliveries.deliverer().run_until_idle()

    assert pending_counts == [3, 3, 1]


async def test_the_deliverer_continues_after_a_failure(deliveries: DeliveryBench) -> None:
    await deliveries.subscribe(1, "one")
    await deliveries.add_events("a")
    polls = 0

    async def sleep(_: float) -> None:
        nonlocal polls
        polls += 1
        async with asyncio.timeout(30):
            while polls == 2 and not deliveries.notifier.sent:  # noqa: ASYNC110  # yields to the delivery
                await asyncio.sleep(0)
        if polls == 3:
            raise asyncio.CancelledError

    flaky = FlakyDatabase(deliveries.bench.db, failing_reads=1)
    with pytest.raises(asyncio.CancelledError):
        await deliveries.deliverer(db=flaky, sleep=sleep).run()

    assert deliveries.notifier.sent == [("one", "a")]
