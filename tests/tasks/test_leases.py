"""Leases: one worker a task, and an heir that goes on when it dies."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pileus.domain.tasks import TaskState
from pileus.store.schema import open_database
from pileus.tasks.operation import LeaseLostError, Step, TaskContext
from tests.tasks.workers import LEASE, Flaky, Stage, a_task, lasting, passing


class KilledError(BaseException):
    """The process ends here: nothing is let go of."""


async def test_eight_rivals_never_do_a_task_twice(stage: Stage, url: str, tmp_path: Path) -> None:
    others = [await open_database(url, tmp_path) for _ in range(3)]
    done: Counter[str] = Counter()

    async def count(work: TaskContext) -> None:
        done[work.task.id] += 1
        await asyncio.sleep(0)

    operation = stage.journal.operation(Step("count", count))
    fresh = [a_task() for _ in range(120)]
    await stage.waiting(*fresh)

    rivals = [stage.engine(operation, db=where) for where in (stage.db, *others) for _ in range(2)]
    await asyncio.gather(*(rival.run_until_idle() for rival in rivals))

    assert done == Counter(task.id for task in fresh)
    assert await stage.ended() == {"done": 120}
    for other in others:
        await other.close()


async def test_a_task_is_nobody_elses_while_its_lease_runs(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    first = await stage.claimed("one")

    stage.clock.pass_by(LEASE)
    assert await stage.claimed("two") is None
    stage.clock.pass_by(1)
    second = await stage.claimed("two")

    assert first is not None
    assert second is not None
    assert (first.id, second.id, second.lease_token) == (task.id, task.id, "two")


async def test_a_worker_that_died_is_followed_by_one_that_goes_on_where_it_was(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    operation = stage.journal.steps("a", "b", "c")
    stage.journal.fail("b", KilledError())
    with pytest.raises(KilledError):
        await stage.engine(operation).run_until_idle()
    assert (await stage.now_of(task)).state == TaskState.RUNNING
    heir = stage.engine(operation)

    await heir.run_until_idle()
    assert stage.journal.lines == ["a", "b"]
    stage.clock.pass_by(LEASE + 1)
    await heir.run_until_idle()

    assert stage.journal.lines == ["a", "b", "b", "c", "done"]
    assert (await stage.now_of(task)).state == TaskState.FINISHED


async def test_a_worker_that_died_while_undoing_is_followed_by_one_that_goes_on_undoing(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    operation = stage.journal.steps("a", "b", "c")
    stage.journal.fail("c", lasting("no room"))
    stage.journal.fail("undo b", KilledError())
    with pytest.raises(KilledError):
        await stage.engine(operation).run_until_idle()
    stage.clock.pass_by(LEASE + 1)

    await stage.engine(operation).run_until_idle()

    assert stage.journal.lines == ["a", "b", "c", "undo c", "undo b", "undo b", "undo a", "failed"]
    after = await stage.now_of(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no room")


async def test_a_worker_that_lost_its_lease_writes_nothing(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    operation = stage.journal.steps("a", "b")
    slow, quick = (stage.engine(operation) for _ in range(2))

    async def overtake() -> None:
        stage.clock.pass_by(LEASE + 1)
        await quick.run_until_idle()

    stage.journal.meanwhile["b"] = overtake
    await slow.run_until_idle()

    after = await stage.now_of(task)
    assert stage.journal.lines == ["a", "b", "b", "done"]
    assert (after.state, after.step) == (TaskState.FINISHED, 2)
    assert await stage.ended() == {"done": 1}


@pytest.mark.parametrize("late", [lasting("too late"), passing("too late"), None])
async def test_neither_end_nor_failure_of_a_worker_that_lost_its_lease_counts(
    stage: Stage, late: Exception | None
) -> None:
    """Not even where the heir has not come to an end itself."""
    task = await stage.waiting(a_task())
    held = []

    async def overtake() -> None:
        stage.clock.pass_by(LEASE + 1)
        held.append(await stage.claimed("heir"))

    stage.journal.meanwhile["a"] = overtake
    stage.journal.fail("a", *([late] if late else []))
    await stage.engine(stage.journal.steps("a")).run_until_idle()

    assert await stage.now_of(task) == held[0]
    assert stage.journal.lines == ["a"]


async def test_a_step_that_writes_does_so_only_while_the_task_is_its_workers(stage: Stage) -> None:
    lost = []

    async def write_late(work: TaskContext) -> None:
        stage.clock.pass_by(LEASE + 1)
        await stage.claimed("heir")
        try:
            await work.write(lambda tx: tx.run("INSERT INTO counters (name, value) VALUES ('late', 1)"))
        except LeaseLostError as error:
            lost.append(error)
            raise

    await stage.waiting(a_task())
    await stage.engine(stage.journal.operation(Step("a", write_late))).run_until_idle()

    assert len(lost) == 1
    assert await stage.ended() == {}


async def test_a_lease_is_prolonged_while_its_worker_works(stage: Stage) -> None:
    """Even if the database is away now and then."""
    task = await stage.waiting(a_task())
    beats: list[float] = []
    enough, flaky = asyncio.Event(), Flaky(stage.db)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        stage.clock.pass_by(int(seconds * 1_000_000))
        beats.append(seconds)
        flaky.failures = len(beats) % 2
        if len(beats) > 9:
            enough.set()
            await asyncio.Event().wait()

    stage.journal.meanwhile["a"] = enough.wait
    engine = stage.engine(stage.journal.steps("a"), db=flaky, sleep=sleep)
    claimed = await stage.claimed("one")
    assert claimed is not None
    began = stage.clock.time
    await engine.perform(claimed)

    assert stage.clock.time - began > 2 * LEASE
    assert set(beats) == {LEASE / 3_000_000}
    assert (await stage.now_of(task)).state == TaskState.FINISHED


async def test_a_worker_that_is_stopped_lets_its_tasks_go_at_once(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    reached, operation = asyncio.Event(), stage.journal.steps("a", "b")

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    stage.journal.meanwhile["b"] = wait
    working = asyncio.create_task(stage.engine(operation).run())
    await reached.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    left = await stage.now_of(task)
    assert (left.state, left.step, left.lease_token) == (TaskState.RUNNING, 1, None)

    await stage.engine(operation).run_until_idle()

    assert stage.journal.lines == ["a", "b", "b", "done"]


async def test_a_task_of_a_newer_program_is_left_to_it(stage: Stage) -> None:
    strange = await stage.waiting(a_task("fold_space"))
    known = await stage.waiting(a_task())
    over = asyncio.Event()
    working = asyncio.create_task(stage.engine(stage.journal.steps("a"), ended=lambda *_: over.set()).run())

    async with asyncio.timeout(10):
        await over.wait()
    working.cancel()
    assert (await stage.now_of(known)).state == TaskState.FINISHED

    assert (await stage.now_of(strange)).state == TaskState.RUNNING
    stage.clock.pass_by(LEASE + 1)
    await stage.engine(stage.journal.operation(stage.journal.step("fold"), task_type="fold_space")).run_until_idle()
    assert (await stage.now_of(strange)).state == TaskState.FINISHED
