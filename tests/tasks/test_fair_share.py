"""Tenants get a fair share: their queues take turns, slow tasks have slots of their own, and nobody gets all slots."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from pileus.domain.tasks import SlotClass, Task, TaskState
from pileus.store import tasks
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.engine import Engine
from pileus.tasks.fault_injection import StoredFaultInjector
from pileus.tasks.operation import Step, TaskContext
from pileus.tasks.slots import SLOT_COUNTS, Slots
from tests.tasks.test_fault_injection import a_fault
from tests.tasks.workers import LEASE, NoArgs, Workbench, a_task, retryable_error

QUICK, SLOW = SlotClass.QUICK, SlotClass.SLOW


@dataclass(slots=True)
class EndlessStep:
    """A step that does not end; `tasks` are those that run it."""

    tasks: list[Task] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def do(self, ctx: TaskContext[NoArgs]) -> None:
        """Wait for ever."""
        async with self._changed:
            self.tasks.append(ctx.task)
            self._changed.notify_all()
        await asyncio.Event().wait()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the running tasks holds."""
        async with self._changed:
            await self._changed.wait_for(condition)


def some_tasks(count: int, client_id: int, *, region_id: int = 1, slot_class: SlotClass = QUICK) -> list[Task]:
    return [a_task(client_id=client_id, region_id=region_id, slot_class=slot_class) for _ in range(count)]


@asynccontextmanager
async def run_in_background(engine: Engine) -> AsyncIterator[None]:
    """Run an engine in the background."""
    worker = asyncio.create_task(engine.run())
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        await cancel_and_wait(worker)


async def list_queues_in_order_of_claims(*engines: Engine) -> list[str]:
    """Claim all tasks with the engines in turn, and return their queues."""
    queues: list[str] = []
    slots = [Slots(QUICK, SLOT_COUNTS[QUICK]) for _ in engines]
    while True:
        claimed = [await engine._claim(own) for engine, own in zip(engines, slots, strict=True)]  # noqa: SLF001  # the order of claims is not visible otherwise
        if not any(claimed):
            return queues
        queues += [claims.task.queue for claims in claimed if claims is not None and claims.task is not None]


async def test_a_tenants_task_does_not_wait_behind_those_of_another_tenant(bench: Workbench) -> None:
    await bench.add_tasks(*some_tasks(50, client_id=1), *some_tasks(1, client_id=2))

    queues = await list_queues_in_order_of_claims(bench.engine(bench.journal.steps("a")))

    assert queues.index("2/1") <= 1


async def test_tenants_and_their_regions_take_turns(bench: Workbench) -> None:
    await bench.add_tasks(
        *some_tasks(6, client_id=1), *some_tasks(6, client_id=1, region_id=2), *some_tasks(6, client_id=20)
    )

    queues = await list_queues_in_order_of_claims(bench.engine(bench.journal.steps("a")))

    assert Counter(queues) == {"1/1": 6, "1/2": 6, "20/1": 6}
    assert all(earlier != later for earlier, later in pairwise(queues))


async def test_several_workers_share_fairly_without_claiming_a_task_twice(bench: Workbench) -> None:
    await bench.add_tasks(*some_tasks(30, client_id=1), *some_tasks(10, client_id=2))

    queues = await list_queues_in_order_of_claims(*(bench.engine(bench.journal.steps("a")) for _ in range(3)))

    assert Counter(queues) == {"1/1": 30, "2/1": 10}
    assert Counter(queues[:18]) == {"1/1": 9, "2/1": 9}


async def test_within_a_queue_the_oldest_task_is_claimed_first(bench: Workbench) -> None:
    created = some_tasks(5, client_id=1)
    await bench.add_tasks(*reversed(created))

    claimed = [await bench.claim(f"worker-{number}") for number in range(5)]

    assert [task.id for task in claimed if task] == [task.id for task in created]


async def test_one_tenant_never_gets_all_slots(bench: Workbench) -> None:
    step, total = EndlessStep(), SLOT_COUNTS[QUICK]
    await bench.add_tasks(*some_tasks(2 * total, client_id=1))
    engine = bench.engine(bench.journal.operation(Step("a", step.do)))

    async with run_in_background(engine):
        await step.wait_for(lambda: len(step.tasks) == total // 2)
        await bench.add_tasks(*some_tasks(total, client_id=2), *some_tasks(1, client_id=3))
        engine.nudge()
        await step.wait_for(lambda: {task.client_id for task in step.tasks} == {1, 2, 3})

    shares = Counter(task.client_id for task in step.tasks)
    assert shares[1] == total // 2
    assert shares.total() < total


async def test_slow_tasks_do_not_keep_quick_ones_waiting(bench: Workbench) -> None:
    """As when an image comes from a server that sends a byte now and then."""
    step, ended = EndlessStep(), asyncio.Event()
    slow = bench.journal.operation(Step("a", step.do), task_type="slow")
    await bench.add_tasks(*(a_task("slow", slot_class=SLOW) for _ in range(100)))
    engine = bench.engine(slow, bench.journal.steps("b"), on_task_end=lambda *_: ended.set())

    async with run_in_background(engine):
        await step.wait_for(lambda: len(step.tasks) == SLOT_COUNTS[SLOW] // 2)
        quick = await bench.add_tasks(a_task())
        engine.nudge()
        await ended.wait()

    assert (await bench.reload(quick)).state == TaskState.FINISHED


async def test_a_backlog_of_quick_tasks_does_not_keep_slow_ones_waiting(bench: Workbench) -> None:
    ends: list[str] = []
    slow_ended = asyncio.Event()
    await bench.add_tasks(*some_tasks(200, client_id=1), a_task("slow", slot_class=SLOW))
    operations = bench.journal.steps("a"), bench.journal.operation(bench.journal.step("b"), task_type="slow")

    def note(task: Task, _: str) -> None:
        ends.append(task.task_type)
        if task.task_type == "slow":
            slow_ended.set()

    async with run_in_background(bench.engine(*operations, on_task_end=note)):
        await slow_ended.wait()

    assert ends.index("slow") < 100


async def test_held_tasks_take_no_slot(bench: Workbench) -> None:
    ended = asyncio.Event()
    await a_fault(bench, "hold", task_type="held")
    await bench.add_tasks(*(a_task("held") for _ in range(100)))
    engine = bench.engine(
        bench.journal.operation(bench.journal.step("never"), task_type="held"),
        bench.journal.steps("a"),
        fault_injector=StoredFaultInjector(bench.db),
        on_task_end=lambda *_: ended.set(),
    )

    async with run_in_background(engine):
        task = await bench.add_tasks(a_task())
        engine.nudge()
        await ended.wait()

    assert (await bench.reload(task)).state == TaskState.FINISHED
    assert "never" not in bench.journal.lines


async def test_a_tenant_with_failing_tasks_does_not_keep_others_waiting(bench: Workbench) -> None:
    """Its tasks wait for their next attempt; the search goes on to the next queue."""
    await bench.add_tasks(*some_tasks(20, client_id=1), a_task("other", client_id=2))
    bench.journal.fail("a", *(retryable_error() for _ in range(20)))

    await bench.engine(
        bench.journal.steps("a"), bench.journal.operation(bench.journal.step("b"), task_type="other")
    ).run_until_idle()

    assert bench.journal.lines.count("b") == 1


async def test_queues_are_measured_by_slot_class_without_held_and_leased_tasks(bench: Workbench) -> None:
    waiting = await bench.add_tasks(*some_tasks(3, client_id=1), *some_tasks(2, client_id=2, slot_class=SLOW))
    bench.clock.advance(LEASE)
    await bench.claim("token")
    await bench.db.write(lambda tx: tx.run("UPDATE tasks SET slot_class = 'quick' WHERE id = :id", id=waiting.id))

    async with bench.db.read() as tx:
        figures = await tasks.measure_queues(tx, bench.clock())

    assert {name: queue.waiting for name, queue in figures.items()} == {"quick": 2, "slow": 2}
    assert LEASE / 1e6 - 1 < figures["quick"].oldest_age(bench.clock()) < LEASE / 1e6


async def test_empty_queues_have_no_age(bench: Workbench) -> None:
    async with bench.db.read() as tx:
        figures = await tasks.measure_queues(tx, bench.clock())

    assert {(queue.waiting, queue.oldest_age(bench.clock())) for queue in figures.values()} == {(0, 0.0)}


@pytest.mark.parametrize(
    "statement", [f"{tasks.NEXT_QUEUE} (0) LIMIT 1".format(others=""), tasks.CLAIM.format(others="")]
)
async def test_claiming_goes_through_the_index_however_many_tasks_wait(
    bench: Workbench, url: str, statement: str
) -> None:
    values = {"slot_class": QUICK, "queue": "1/1", "after": "", "now": 1, "token": "t", "until": 2, "updated_at": 1}
    used = {name: value for name, value in values.items() if re.search(f":{name}\\b", statement)}
    new_tasks = some_tasks(3000, client_id=1)
    await bench.db.write(lambda tx: tasks.TABLE.add_all(tx, new_tasks))
    await bench.db.write(lambda tx: tx.run("ANALYZE"))

    async with bench.db.read() as tx:
        rows = await tx.all(f"{'EXPLAIN' if url else 'EXPLAIN QUERY PLAN'} {statement}", **used)

    plan = "\n".join(str(row[-1]) for row in rows)
    assert "tasks_queued" in plan
    assert not re.search(r"SCAN tasks|Seq Scan on tasks|Bitmap|Sort", plan), plan
