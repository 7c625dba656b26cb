"""Steps that are not done yet, drivers that do not answer, and steps that another version knows by their names."""

import asyncio
from typing import Any

import pytest

from pileus.domain.errors import Unavailable
from pileus.domain.tasks import SlotClass, Task, TaskState
from pileus.drivers.protocols.errors import DriverUnreachable, NotYetDone
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.tasks.engine import Engine
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.retries import FIRST_RETRY_DELAY, LONGEST_OUTAGE, LONGEST_PAUSE, LONGEST_WAIT, MAX_ATTEMPTS
from tests.tasks.workers import LEASE, Workbench, a_task, final_error, retryable_error

SECOND = 1_000_000
OUTAGES = [DriverUnreachable("No answer"), Unavailable("The database is away")]


async def run_after(bench: Workbench, engine: Engine, microseconds: int) -> None:
    """Advance the clock, and run the engine until it is idle."""
    bench.clock.advance(microseconds)
    await engine.run_until_idle()


async def test_a_step_that_is_not_done_is_called_again_after_its_seconds_and_holds_no_slot(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", *(NotYetDone(7) for _ in range(MAX_ATTEMPTS + 3)))
    engine = bench.engine(bench.journal.steps("a", "b", "c"))

    await engine.run_until_idle()
    waiting = await bench.reload(task)
    await run_after(bench, engine, 6_900_000)
    early = list(bench.journal.lines)
    for _ in range(MAX_ATTEMPTS + 3):
        await run_after(bench, engine, 7 * SECOND)

    assert (waiting.state, waiting.lease_token, waiting.attempts) == (TaskState.RUNNING, None, 0)
    assert (waiting.step, waiting.waiting_since, waiting.error) == (1, waiting.waiting_since, None)
    assert early == ["a", "b"]
    assert bench.journal.lines == ["a", *["b"] * (MAX_ATTEMPTS + 4), "c", "done"]


async def test_a_step_that_is_never_done_fails_in_the_end(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", *(NotYetDone(1) for _ in range(99)))
    engine = bench.engine(bench.journal.steps("a", "b"))

    await engine.run_until_idle()
    await run_after(bench, engine, LONGEST_WAIT - 1)
    assert (await bench.reload(task)).state == TaskState.RUNNING
    await run_after(bench, engine, 2 * SECOND)

    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "The work did not end within 24 hours")
    assert bench.journal.lines == ["a", "b", "b", "b", "undo b", "undo a", "failed"]


async def test_an_undo_that_is_not_done_is_called_again(bench: Workbench) -> None:
    await bench.add_tasks(a_task())
    bench.journal.fail("b", final_error())
    bench.journal.fail("undo b", NotYetDone(3), NotYetDone(3))
    engine = bench.engine(bench.journal.steps("a", "b"))

    for _ in range(3):
        await engine.run_until_idle()
        bench.clock.advance(3 * SECOND)

    assert bench.journal.lines == ["a", "b", "undo b", "undo b", "undo b", "undo a", "failed"]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: type(outage).__name__)
@pytest.mark.parametrize("line", ["b", "done", "undo a"])
async def test_a_task_waits_for_a_driver_or_database_that_does_not_answer_and_goes_on(
    bench: Workbench, line: str, outage: Exception
) -> None:
    """A minute is far more than a failed step is retried for."""
    task = await bench.add_tasks(a_task())
    if line == "undo a":
        bench.journal.fail("b", final_error())
    bench.journal.fail(line, *[outage] * 99)
    engine = bench.engine(bench.journal.steps("a", "b"))

    await engine.run_until_idle()
    for _ in range(12):
        await run_after(bench, engine, 5 * SECOND)
    away, bench.journal.failures[line] = await bench.reload(task), []
    await run_after(bench, engine, LONGEST_PAUSE)

    assert (away.state, away.lease_token, away.attempts) == (TaskState.RUNNING, None, 0)
    assert (await bench.reload(task)).state == (TaskState.ERROR if line == "undo a" else TaskState.FINISHED)
    assert bench.journal.lines.count(line) > MAX_ATTEMPTS


async def test_the_looks_at_a_driver_that_does_not_answer_become_rare(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", *[OUTAGES[0]] * 999)
    engine = bench.engine(bench.journal.steps("a"))
    delays = []

    await engine.run_until_idle()
    for _ in range(8):
        delays.append((await bench.reload(task)).lease_until + 1 - bench.clock())
        await run_after(bench, engine, delays[-1])

    assert delays == [min(FIRST_RETRY_DELAY << number, LONGEST_PAUSE) for number in (0, 0, *range(1, 7))]


async def test_an_outage_that_takes_too_long_fails_the_task(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", *[OUTAGES[0]] * 999)
    engine = bench.engine(bench.journal.steps("a", "b"))

    await engine.run_until_idle()
    await run_after(bench, engine, LONGEST_OUTAGE)

    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "No answer")
    assert bench.journal.lines[-3:] == ["undo b", "undo a", "failed"]


async def test_an_answer_ends_an_outage_and_a_finished_step_ends_a_wait(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    engine = bench.engine(bench.journal.steps("a", "b"))
    bench.journal.fail("a", OUTAGES[0], NotYetDone(1), OUTAGES[0], retryable_error(), OUTAGES[0])
    bench.journal.fail("b", OUTAGES[0])
    marks = []

    for _ in range(6):
        await run_after(bench, engine, 2 * SECOND)
        now, reloaded = bench.clock(), await bench.reload(task)
        marks.append(
            [None if mark is None else now - mark for mark in (reloaded.waiting_since, reloaded.unreachable_since)]
        )

    assert marks == [
        [None, 0], [0, None], [2 * SECOND, 0], [4 * SECOND, None], [6 * SECOND, 0], [None, 0],
    ]  # fmt: skip


async def test_a_failure_that_may_be_retried_still_counts_as_an_attempt(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", *[retryable_error()] * MAX_ATTEMPTS)

    await bench.run_with_retries(bench.engine(bench.journal.steps("a")))

    assert (await bench.reload(task)).state == TaskState.ERROR


async def interrupt_at(bench: Workbench, operation: Any, line: str) -> Task:
    """Run a task until a line, where its step is not yet done, and return it."""
    task = await bench.add_tasks(a_task())
    bench.journal.fail(line, NotYetDone(1))
    await bench.engine(operation).run_until_idle()
    bench.clock.advance(SECOND)
    bench.journal.lines.clear()
    return await bench.reload(task)


async def test_a_version_with_a_new_step_resumes_at_the_step_with_the_saved_name(bench: Workbench) -> None:
    task = await interrupt_at(bench, bench.journal.steps("a", "b", "c"), "c")

    await bench.engine(bench.journal.steps("new", "a", "newer", "b", "c")).run_until_idle()

    assert (task.step, task.last_step) == (2, "b")
    assert bench.journal.lines == ["c", "done"]


async def test_a_version_with_a_new_step_undoes_from_the_step_with_the_saved_name(bench: Workbench) -> None:
    bench.journal.fail("c", final_error())
    task = await interrupt_at(bench, bench.journal.steps("a", "b", "c"), "undo b")

    await bench.engine(bench.journal.steps("new", "a", "b", "c")).run_until_idle()

    assert (task.step, task.last_step, task.undoing) == (2, "b", True)
    assert bench.journal.lines == ["undo b", "undo a", "undo new", "failed"]


@pytest.mark.parametrize(
    ("step", "saved", "lines"),
    [(1, None, ["b", "c", "done"]), (1, "former name of a", ["b", "c", "done"]), (7, "gone", ["done"])],
)
async def test_without_a_known_name_the_number_of_the_step_counts(
    bench: Workbench, step: int, saved: str | None, lines: list[str]
) -> None:
    await bench.add_tasks(a_task(state=TaskState.RUNNING, step=step, last_step=saved))

    await bench.engine(bench.journal.steps("a", "b", "c")).run_until_idle()

    assert bench.journal.lines == lines


async def test_a_version_with_other_names_undoes_the_steps_that_are_done(bench: Workbench) -> None:
    bench.journal.fail("c", final_error())
    task = await interrupt_at(bench, bench.journal.steps("a", "b", "c"), "undo b")

    await bench.engine(bench.journal.steps("x", "y", "z")).run_until_idle()

    assert (task.step, task.last_step, task.undoing) == (2, "b", True)
    assert bench.journal.lines == ["undo y", "undo x", "failed"]


def test_the_steps_of_each_operation_have_different_names() -> None:
    assert [name for name, operation in OPERATIONS.items() if len({*operation.step_names}) < len(operation.steps)] == []


async def test_workers_that_claim_at_the_same_moment_take_different_tasks(bench: Workbench, url: str) -> None:
    if not url:
        pytest.skip("SQLite has one writer")
    first, second = await bench.add_tasks(a_task()), await bench.add_tasks(a_task())
    has_claimed, may_commit = asyncio.Event(), asyncio.Event()

    async def claim_and_wait(tx: Tx) -> Task | None:
        claimed = await claim(tx, "one")
        has_claimed.set()
        await may_commit.wait()
        return claimed

    async with asyncio.timeout(20):
        earlier = asyncio.create_task(bench.db.write(claim_and_wait))
        await has_claimed.wait()
        later = await bench.db.write(lambda tx: claim(tx, "two"))
        nothing = await bench.db.write(lambda tx: claim(tx, "three"))
        may_commit.set()
        claimed = await earlier

    assert claimed is not None
    assert later is not None
    assert [claimed.id, later.id, nothing] == [first.id, second.id, None]
    assert await list_tokens(bench.db) == {"one", "two"}


async def claim(tx: Tx, token: str) -> Task | None:
    return await tasks.claim(tx, SlotClass.QUICK, "1/1", tasks.Lease(token, 1, 1 + LEASE), 1)


async def list_tokens(db: Database) -> set[str]:
    async with db.read() as tx:
        return {str(row[0]) for row in await tx.all("SELECT lease_token FROM tasks")}
