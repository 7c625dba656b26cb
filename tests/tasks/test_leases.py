"""Leases: one worker performs a task, and another one resumes it if that worker dies."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pileus.domain.tasks import TaskState
from pileus.store import counters
from pileus.store.database import Database, T, Tx, Work
from pileus.store.schema import open_database
from pileus.store.tasks import LeaseLostError
from pileus.tasks.operation import Step, TaskContext
from tests.simulated_cloud import drivers_of_regions
from tests.tasks.workers import (
    LEASE,
    CountingDatabase,
    FlakyDatabase,
    NoArgs,
    Workbench,
    a_task,
    final_error,
    retryable_error,
)


class KilledError(BaseException):
    """The process ends here and releases nothing."""


async def test_eight_engines_never_perform_a_task_twice(bench: Workbench, url: str, tmp_path: Path) -> None:
    databases = [await open_database(url, tmp_path) for _ in range(3)]
    performed: Counter[str] = Counter()

    async def count(ctx: TaskContext[NoArgs]) -> None:
        performed[ctx.task.id] += 1
        await asyncio.sleep(0)

    operation = bench.journal.operation(Step("count", count))
    new_tasks = [a_task() for _ in range(120)]
    await bench.add_tasks(*new_tasks)

    engines = [bench.engine(operation, db=db) for db in (bench.db, *databases) for _ in range(2)]
    await asyncio.gather(*(engine.run_until_idle() for engine in engines))

    assert performed == Counter(task.id for task in new_tasks)
    assert await bench.end_counts() == {"done": 120}
    for db in databases:
        await db.close()


async def test_a_task_cannot_be_claimed_until_its_lease_expires(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    first = await bench.claim("one")

    bench.clock.advance(LEASE)
    assert await bench.claim("two") is None
    bench.clock.advance(1)
    second = await bench.claim("two")

    assert first is not None
    assert second is not None
    assert (first.id, second.id, second.lease_token) == (task.id, task.id, "two")


@pytest.mark.parametrize(("seconds", "repeated"), [(0.049, ["a", "b"]), (0.05, ["b"])])
async def test_after_a_worker_died_another_one_resumes_its_task(
    bench: Workbench, seconds: float, repeated: list[str]
) -> None:
    """It resumes after the last step that has taken long enough to be saved."""
    task = await bench.add_tasks(a_task())
    operation = bench.journal.steps("a", "b", "c")
    bench.journal.callbacks["a"] = partial(bench.advance, seconds)
    bench.journal.fail("b", KilledError())
    with pytest.raises(KilledError):
        await bench.engine(operation).run_until_idle()
    assert (await bench.reload(task)).state == TaskState.RUNNING
    successor = bench.engine(operation)

    await successor.run_until_idle()
    assert bench.journal.lines == ["a", "b"]
    bench.clock.advance(LEASE + 1)
    await successor.run_until_idle()

    assert bench.journal.lines == ["a", "b", *repeated, "c", "done"]
    after = await bench.reload(task)
    assert (after.state, after.step, after.interrupted) == (TaskState.FINISHED, 3, True)


async def test_a_task_of_short_steps_is_written_twice(bench: Workbench) -> None:
    """Once when it is claimed, and once when it ends."""
    writes, operation = CountingDatabase(bench.db), bench.journal.steps("a", "b", "c")
    await bench.add_tasks(a_task())

    await bench.engine(operation, db=writes).run_until_idle()

    assert bench.journal.lines == ["a", "b", "c", "done"]
    assert writes.counts["write"] == 2


async def test_a_failure_after_a_worker_died_undoes_all_steps(bench: Workbench) -> None:
    """The worker may have gone further than the step that now fails."""
    await bench.add_tasks(a_task())
    operation = bench.journal.steps("a", "b", "c")
    bench.journal.fail("c", KilledError())
    with pytest.raises(KilledError):
        await bench.engine(operation).run_until_idle()
    bench.clock.advance(LEASE + 1)
    bench.journal.fail("a", final_error("no room"))

    await bench.engine(operation).run_until_idle()

    assert bench.journal.lines == ["a", "b", "c", "a", "undo c", "undo b", "undo a", "failed"]


async def test_a_change_that_lasts_is_shown_while_the_step_runs(bench: Workbench) -> None:
    """A change that the next one replaces at once is not written."""
    is_written, operation = asyncio.Event(), bench.journal.steps("b")

    async def show(ctx: TaskContext[NoArgs]) -> None:
        ctx.pending.set(partial(_count_up, "first", asyncio.Event()))
        ctx.pending.set(partial(_count_up, "second", is_written))

    bench.journal.callbacks["b"] = is_written.wait
    await bench.add_tasks(a_task())
    operation = replace(operation, steps=(Step("a", show), *operation.steps))
    async with asyncio.timeout(10):
        await bench.engine(operation).run_until_idle()

    assert await bench.end_counts() == {"done": 1, "second": 1}


@pytest.mark.parametrize("ending", [retryable_error(), KilledError()])
async def test_a_change_is_shown_while_a_task_waits_to_be_retried(bench: Workbench, ending: BaseException) -> None:
    """A worker that dies shows nothing more."""
    operation = bench.journal.steps("b")

    async def show(ctx: TaskContext[NoArgs]) -> None:
        ctx.pending.set(partial(_count_up, "shown", asyncio.Event()))

    bench.journal.fail("b", ending)
    await bench.add_tasks(a_task())
    operation = replace(operation, steps=(Step("a", show), *operation.steps))
    with suppress(KilledError):
        await bench.engine(operation).run_until_idle()

    assert await bench.end_counts() == ({} if isinstance(ending, KilledError) else {"shown": 1})


async def _count_up(name: str, written: asyncio.Event, tx: Tx) -> None:
    await counters.increment(tx, name)
    written.set()


async def test_after_a_worker_died_while_undoing_another_one_resumes_the_undo(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    operation = bench.journal.steps("a", "b", "c")
    bench.journal.fail("c", final_error("no room"))
    bench.journal.fail("undo b", KilledError())
    with pytest.raises(KilledError):
        await bench.engine(operation).run_until_idle()
    bench.clock.advance(LEASE + 1)

    await bench.engine(operation).run_until_idle()

    assert bench.journal.lines == ["a", "b", "c", "undo c", "undo b", "undo b", "undo a", "failed"]
    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no room")


async def test_a_worker_without_its_lease_writes_nothing(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    operation = bench.journal.steps("a", "b")
    slow, fast = (bench.engine(operation) for _ in range(2))

    async def overtake() -> None:
        bench.clock.advance(LEASE + 1)
        await fast.run_until_idle()

    bench.journal.callbacks["b"] = overtake
    await slow.run_until_idle()

    after = await bench.reload(task)
    assert bench.journal.lines == ["a", "b", "a", "b", "done"]
    assert (after.state, after.step) == (TaskState.FINISHED, 2)
    assert await bench.end_counts() == {"done": 1}


@pytest.mark.parametrize("late", [final_error("too late"), retryable_error("too late"), None])
async def test_neither_end_nor_failure_counts_without_the_lease(bench: Workbench, late: Exception | None) -> None:
    """Even if the task has not ended yet."""
    task = await bench.add_tasks(a_task())
    claimed = []

    async def overtake() -> None:
        bench.clock.advance(LEASE + 1)
        claimed.append(await bench.claim("successor"))

    bench.journal.callbacks["a"] = overtake
    bench.journal.fail("a", *([late] if late else []))
    await bench.engine(bench.journal.steps("a")).run_until_idle()

    assert await bench.reload(task) == claimed[0]
    assert bench.journal.lines == ["a"]


async def test_a_step_cannot_write_without_the_lease(bench: Workbench) -> None:
    errors = []

    async def write_late(ctx: TaskContext[NoArgs]) -> None:
        bench.clock.advance(LEASE + 1)
        await bench.claim("successor")
        try:
            await ctx.write(lambda tx: tx.run("INSERT INTO counters (name, value) VALUES ('late', 1)"))
        except LeaseLostError as error:
            errors.append(error)
            raise

    await bench.add_tasks(a_task())
    await bench.engine(bench.journal.operation(Step("a", write_late))).run_until_idle()

    assert len(errors) == 1
    assert await bench.end_counts() == {}


async def test_a_lease_is_renewed_while_its_worker_lives(bench: Workbench) -> None:
    """Even if the database fails now and then."""
    task = await bench.add_tasks(a_task())
    intervals: list[float] = []
    enough, flaky = asyncio.Event(), FlakyDatabase(bench.db)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        bench.clock.advance(int(seconds * 1_000_000))
        intervals.append(seconds)
        flaky.failing_writes = len(intervals) % 2
        if len(intervals) > 9:
            enough.set()
            await asyncio.Event().wait()

    bench.journal.callbacks["a"] = enough.wait
    engine = bench.engine(bench.journal.steps("a"), db=flaky, sleep=sleep)
    claimed = await bench.claim("one")
    assert claimed is not None
    started_at = bench.clock.time
    await engine.perform(claimed)

    assert bench.clock.time - started_at > 2 * LEASE
    assert set(intervals) == {LEASE / 3_000_000}
    assert (await bench.reload(task)).state == TaskState.FINISHED


async def test_a_stopped_worker_releases_its_leases_at_once(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    reached, operation = asyncio.Event(), bench.journal.steps("a", "b")

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    bench.journal.callbacks["b"] = wait
    running = asyncio.create_task(bench.engine(operation).run())
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    released = await bench.reload(task)
    assert (released.state, released.step, released.lease_token) == (TaskState.RUNNING, 1, None)

    await bench.engine(operation).run_until_idle()

    assert bench.journal.lines == ["a", "b", "b", "done"]


class SlowDatabase(FlakyDatabase):
    """A database of which the writes wait for an event."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.is_fast, self.is_waiting = asyncio.Event(), asyncio.Event()
        self.is_fast.set()

    async def write(self, work: Work[T]) -> T:
        """Wait, then write."""
        if not self.is_fast.is_set():
            self.is_waiting.set()
        await self.is_fast.wait()
        return await self.db.write(work)


async def test_a_worker_that_is_cancelled_repeatedly_still_releases_its_lease(bench: Workbench) -> None:
    task, slow = await bench.add_tasks(a_task()), SlowDatabase(bench.db)
    claimed, reached = await bench.claim("one"), asyncio.Event()
    assert claimed is not None

    async def wait() -> None:
        slow.is_fast.clear()
        reached.set()
        await asyncio.Event().wait()

    bench.journal.callbacks["a"] = wait
    running = asyncio.create_task(bench.engine(bench.journal.steps("a"), db=slow).perform(claimed))
    await reached.wait()
    running.cancel()
    await slow.is_waiting.wait()
    running.cancel()
    await asyncio.sleep(0)
    slow.is_fast.set()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (await bench.reload(task)).lease_token is None


async def test_a_task_of_an_unknown_type_is_left_to_a_newer_server(bench: Workbench) -> None:
    unknown = await bench.add_tasks(a_task("newer_type"))
    known = await bench.add_tasks(a_task())
    ended = asyncio.Event()
    running = asyncio.create_task(bench.engine(bench.journal.steps("a"), on_task_end=lambda *_: ended.set()).run())

    async with asyncio.timeout(10):
        await ended.wait()
    running.cancel()
    assert (await bench.reload(known)).state == TaskState.FINISHED

    assert await bench.reload(unknown) == unknown
    bench.clock.advance(LEASE + 1)
    await bench.engine(bench.journal.operation(bench.journal.step("newer"), task_type="newer_type")).run_until_idle()
    assert (await bench.reload(unknown)).state == TaskState.FINISHED


async def test_tasks_of_unknown_types_and_regions_are_left_to_other_workers(bench: Workbench) -> None:
    newer_type, elsewhere = await bench.add_tasks(a_task("newer")), await bench.add_tasks(a_task(region_id=9))
    known = await bench.add_tasks(a_task())
    former = bench.engine(bench.journal.steps("one"))

    await former.run_until_idle()

    assert (await bench.reload(known)).state == TaskState.FINISHED
    assert [await bench.reload(task) for task in (newer_type, elsewhere)] == [newer_type, elsewhere]
    newer = bench.engine(
        bench.journal.steps("two"),
        bench.journal.operation(bench.journal.step("three"), task_type="newer"),
        drivers=drivers_of_regions(bench.driver, 1, 9),
    )
    await newer.run_until_idle()
    assert [(await bench.reload(task)).state for task in (newer_type, elsewhere)] == [TaskState.FINISHED] * 2


async def test_a_worker_tries_each_unknown_kind_of_task_once(bench: Workbench) -> None:
    counting = CountingDatabase(bench.db)
    worker = bench.engine(bench.journal.steps("one"), db=counting)
    await bench.add_tasks(*(a_task("newer") for _ in range(5)), *(a_task(region_id=9) for _ in range(5)))

    for _ in range(3):
        await worker.run_until_idle()

    assert counting.counts["write"] == 2
