"""Deliveries: each line to each subscriber, in order, at least once, whatever fails."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.account.subscriptions import FIRST_PAUSE, KEPT, LONGEST_PAUSE, Queue, Subscription, Target, Webhook
from pileus.domain.account.user_actions import UserAction
from pileus.outbound.protocols import NotSentError
from pileus.store.account import subscriptions, user_actions
from pileus.store.database import Tx
from pileus.tasks.account.deliveries import LEASE, Deliverer
from tests.domain.builders import NOW
from tests.tasks.workers import FlakyDatabase, Workbench


@dataclass(slots=True)
class Post:
    """Takes messages, or does not; `sent` are the targets and ids."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    failing: dict[str, list[Exception]] = field(default_factory=dict)
    meanwhile: Any = None

    async def check(self, target: Target) -> None:
        """Anything goes."""

    async def send(self, target: Target, message_id: str, body: bytes, now: int) -> None:  # noqa: ARG002
        """Take a message."""
        assert body == message_id.encode()
        if self.meanwhile:
            await self.meanwhile()
        name = _name(target)
        if self.failing.get(name):
            raise self.failing[name].pop(0)
        self.sent.append((name, message_id))


def _name(target: Target) -> str:
    return target.url if isinstance(target, Webhook) else target.connection_string


@dataclass(slots=True)
class Office:
    """Subscriptions, a post, and a clock."""

    bench: Workbench
    post: Post = field(default_factory=Post)

    def deliverer(self, **changes: Any) -> Deliverer:
        """One worker."""
        facts = {"db": self.bench.db, "notifier": self.post, **changes}
        return Deliverer(encode=lambda action: action.id.encode(), now=self.bench.clock, **facts)

    async def subscribe(self, number: int, name: str, client_id: int = 1) -> Subscription:
        """Let a tenant subscribe."""
        target = Webhook(url=name, auth_header_name="A", auth_header_value="b")
        new = Subscription(id=number, client_id=client_id, kind="webhook", target=target, created_at=NOW)
        return await self.bench.db.write(lambda tx: subscriptions.add(tx, new))

    async def happen(self, *names: str, client_id: int = 1) -> None:
        """Write lines, one a microsecond."""
        for name in names:
            self.bench.clock.advance(1)
            action = _action(name, client_id, self.bench.clock())
            await self.bench.db.write(lambda tx, action=action: user_actions.add(tx, action))  # type: ignore[misc]

    async def acknowledged(self) -> set[str]:
        """The lines that all have got."""
        async with self.bench.db.read() as tx:
            return {action.id for action in await user_actions.TABLE.find(tx, "acknowledged = 1")}

    async def now_of(self, number: int) -> Subscription:
        """A subscription as it is written down."""
        async with self.bench.db.read() as tx:
            found = await subscriptions.find(tx, number)
        assert found is not None
        return found


def _action(name: str, client_id: int, now: int) -> UserAction:
    nothing = dict.fromkeys(
        ("email", "token_id", "project_id", "region_id", "action_data", "task_id", "source_user_ip", "user_agent")
    )
    done: dict[str, Any] = {"api_group": "project", "action_type": "update", "resources": [], **nothing}
    return UserAction(id=name, client_id=client_id, user_id=1, created_at=now, **done)


@pytest.fixture
def office(bench: Workbench) -> Office:
    return Office(bench)


async def test_each_line_goes_to_each_subscriber_of_its_tenant_in_order(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.subscribe(2, "two")
    await office.subscribe(3, "strange", client_id=2)

    await office.happen("a", "b", "c")
    await office.deliverer().run_until_idle()
    await office.deliverer().run_until_idle()

    assert [name for target, name in office.post.sent if target == "one"] == ["a", "b", "c"]
    assert [name for target, name in office.post.sent if target == "two"] == ["a", "b", "c"]
    assert len(office.post.sent) == 6
    assert await office.acknowledged() == {"a", "b", "c"}


async def test_lines_from_before_are_not_sent_and_nobody_has_taken_them(office: Office) -> None:
    await office.happen("early")
    await office.subscribe(1, "one")
    await office.deliverer().run_until_idle()

    assert (office.post.sent, await office.acknowledged()) == ([], set())


async def test_a_subscriber_who_is_away_gets_everything_later_and_delays_nobody(office: Office) -> None:
    await office.subscribe(1, "away")
    await office.subscribe(2, "here")
    office.post.failing["away"] = [NotSentError("away")] * 2
    await office.happen("a", "b")

    for pause in (0, FIRST_PAUSE, 2 * FIRST_PAUSE):
        await office.deliverer().run_until_idle()
        assert [name for target, name in office.post.sent if target == "here"] == ["a", "b"]
        assert [name for target, name in office.post.sent if target == "away"] == []
        assert await office.acknowledged() == set()
        office.bench.clock.advance(pause)
    await office.deliverer().run_until_idle()

    assert [name for target, name in office.post.sent if target == "away"] == ["a", "b"]
    assert await office.acknowledged() == {"a", "b"}
    assert (await office.now_of(1)).failures == 0


def test_pauses_grow_up_to_an_hour() -> None:
    target = Queue(connection_string="amqp://x")
    each = Subscription(id=1, client_id=1, kind="amqp", target=target, created_at=NOW)
    pauses = []
    for _ in range(40):
        each = each.failed(NOW)
        pauses.append(each.next_at - NOW)

    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


async def test_a_line_that_is_refused_for_good_does_not_stop_the_others(office: Office) -> None:
    await office.subscribe(1, "one")
    office.post.failing["one"] = [NotSentError("no", refused=True)]
    await office.happen("a", "b")

    await office.deliverer().run_until_idle()

    assert [name for _, name in office.post.sent] == ["b"]
    assert await office.acknowledged() == {"b"}


async def test_what_is_too_old_is_given_up(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("old")
    office.bench.clock.advance(KEPT)
    await office.happen("new")
    office.post.failing["one"] = [NotSentError("away")]

    await office.deliverer().run_until_idle()
    assert (office.post.sent, (await office.now_of(1)).failures) == ([], 1)
    office.bench.clock.advance(FIRST_PAUSE)
    await office.deliverer().run_until_idle()

    assert [name for _, name in office.post.sent] == ["new"]


async def test_who_takes_some_is_not_left_alone_for_longer_and_longer(office: Office) -> None:
    await office.subscribe(1, "busy")
    await office.happen(*(f"line-{number:02}" for number in range(12)))
    taken = 0

    async def take_three() -> None:
        nonlocal taken
        taken += 1
        office.post.failing["busy"] = [NotSentError("429")] if taken % 4 == 0 else []

    office.post.meanwhile = take_three
    for _ in range(5):
        await office.deliverer().run_until_idle()
        office.bench.clock.advance(FIRST_PAUSE)

    assert [name for _, name in office.post.sent] == [f"line-{number:02}" for number in range(12)]


async def test_a_worker_that_comes_too_late_leaves_a_subscription_alone(office: Office) -> None:
    seen = await office.subscribe(1, "one")
    await office.happen("a")
    await office.deliverer().run_until_idle()

    writes = 0

    async def count(tx: Any) -> None:
        nonlocal writes
        writes += 1
        assert await office.deliverer()._lease(seen, tx) is None  # noqa: SLF001  # nobody else can be late on purpose

    await office.bench.db.write(count)

    assert (writes, office.post.sent) == (1, [("one", "a")])


async def test_two_who_settle_one_line_at_once_acknowledge_it(office: Office) -> None:
    for number in range(8):
        await office.subscribe(number, f"s-{number}")
    await office.happen("a", "b")

    settled = (office.bench.db.write(partial(_settle, number)) for number in range(8))
    await asyncio.gather(*settled)

    assert await office.acknowledged() == {"a", "b"}


async def _settle(number: int, tx: Tx) -> None:
    await subscriptions.mark_delivered(tx, number, ["a", "b"], [])


async def test_of_many_workers_one_serves_a_subscription(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("a", "b", "c")
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await go_on.wait()

    office.post.meanwhile = wait
    first = asyncio.create_task(office.deliverer().run_until_idle())
    await reached.wait()
    await office.deliverer().run_until_idle()
    go_on.set()
    await first

    assert [name for _, name in office.post.sent] == ["a", "b", "c"]


async def test_a_worker_that_died_is_followed_by_one_that_goes_on(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("a")

    async def die() -> None:
        office.post.meanwhile = None
        raise KeyboardInterrupt

    office.post.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        await office.deliverer().run_until_idle()
    await office.deliverer().run_until_idle()
    assert office.post.sent == []
    office.bench.clock.advance(LEASE)
    await office.deliverer().run_until_idle()

    assert office.post.sent == [("one", "a")]


@pytest.mark.parametrize("fails", [False, True])
async def test_another_target_given_meanwhile_is_not_blamed(office: Office, *, fails: bool) -> None:
    await office.subscribe(1, "one")
    await office.happen("a", "b")

    async def retarget() -> None:
        office.post.meanwhile = None
        before = await office.now_of(1)
        target = Webhook(url="two", auth_header_name="A", auth_header_value="b")
        await office.bench.db.write(lambda tx: subscriptions.save(tx, before, replace(before, target=target)))

    office.post.meanwhile = retarget
    office.post.failing["one"] = [NotSentError("away")] if fails else []
    await office.deliverer().run_until_idle()

    assert [name for _, name in office.post.sent] == ["a", "b"]
    assert (await office.now_of(1)).failures == 0


async def test_a_subscription_that_ends_meanwhile_is_missed_by_nobody(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("a")

    async def end() -> None:
        await office.bench.db.write(lambda tx: subscriptions.remove(tx, 1))

    office.post.meanwhile = end
    await office.deliverer().run_until_idle()
    async with office.bench.db.read() as tx:
        assert await tx.all("SELECT * FROM deliveries") == []


async def test_what_takes_long_lets_others_have_their_turn(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("a", "b", "c")

    looks: list[int] = []

    async def pass_time() -> None:
        async with office.bench.db.read() as tx:
            looks.append(len(await user_actions.pending_for(tx, 1, 10)))
        office.bench.clock.advance(LEASE // 3)

    office.post.meanwhile = pass_time
    await office.deliverer().run_until_idle()

    assert looks == [3, 3, 1]


async def test_a_failure_is_not_the_last_look(office: Office) -> None:
    await office.subscribe(1, "one")
    await office.happen("a")
    looks = 0

    async def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        async with asyncio.timeout(5):
            while looks == 2 and not office.post.sent:  # noqa: ASYNC110  # it yields to the other
                await asyncio.sleep(0)
        if looks == 3:
            raise asyncio.CancelledError

    flaky = FlakyDatabase(office.bench.db, failing_reads=1)
    with pytest.raises(asyncio.CancelledError):
        await office.deliverer(db=flaky, sleep=sleep).run()

    assert office.post.sent == [("one", "a")]
