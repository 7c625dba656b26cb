"""The engine runs steps in order, retries them after retryable failures, and undoes them after final ones."""

import asyncio

import pytest
from msgspec import Struct

from pileus.domain.errors import Conflict, Unavailable
from pileus.domain.tasks import SlotClass, TaskState, TaskType
from pileus.store.database import Tx
from pileus.tasks.operation import Operation, Step, TaskContext
from pileus.tasks.retries import FIRST_RETRY_DELAY, MAX_ATTEMPTS
from pileus.tasks.slots import SLOT_COUNTS
from tests.tasks.workers import FlakyDatabase, NoArgs, Workbench, a_task, final_error, retryable_error

AT_ONCE = SLOT_COUNTS[SlotClass.QUICK] // 2
"""Tasks of one tenant that a worker performs at the same time."""
FAILURES = [retryable_error() for _ in range(99)]


async def test_a_task_runs_its_steps_and_finishes(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())

    await bench.engine(bench.journal.steps("a", "b")).run_until_idle()

    after = await bench.reload(task)
    assert bench.journal.lines == ["a", "b", "done"]
    assert (after.state, after.step, after.error, after.lease_token) == (TaskState.FINISHED, 2, None, None)
    assert (after.created_resources, after.finished_at) == ({"instances": ["i-1"]}, task.created_at)
    assert await bench.end_counts() == {"done": 1}


async def test_the_callback_gets_the_state_of_each_ended_task(bench: Workbench) -> None:
    ends: list[tuple[str, str]] = []
    await bench.add_tasks(a_task(), a_task())
    bench.journal.fail("a", final_error())

    await bench.engine(
        bench.journal.steps("a"), on_task_end=lambda task, state: ends.append((task.task_type, state))
    ).run_until_idle()

    assert ends == [("try_it", "ERROR"), ("try_it", "FINISHED")]


async def test_tasks_are_claimed_in_the_order_of_their_creation(bench: Workbench) -> None:
    task_types = ["first", "second", "third"]
    for task_type in task_types:
        await bench.add_tasks(a_task(task_type))

    await bench.engine(
        *(bench.journal.operation(bench.journal.step(name), task_type=name) for name in task_types)
    ).run_until_idle()

    assert [line for line in bench.journal.lines if line != "done"] == task_types


@pytest.mark.parametrize("failures", [1, MAX_ATTEMPTS - 1])
async def test_a_retryable_failure_is_retried_after_growing_delays(bench: Workbench, failures: int) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", *FAILURES[:failures])
    engine = bench.engine(bench.journal.steps("a", "b", "c"))

    delays = []
    await engine.run_until_idle()
    while (await bench.reload(task)).state != TaskState.FINISHED:
        started_at = bench.clock.time
        attempts = bench.journal.lines.count("b")
        while bench.journal.lines.count("b") == attempts:
            bench.clock.advance(100_000)
            await engine.run_until_idle()
        delays.append(bench.clock.time - started_at)

    assert delays == [FIRST_RETRY_DELAY << number for number in range(failures)]
    assert bench.journal.lines == ["a", *["b"] * (failures + 1), "c", "done"]


async def test_attempts_are_counted_for_each_step(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", *FAILURES[: MAX_ATTEMPTS - 1])
    bench.journal.fail("b", *FAILURES[: MAX_ATTEMPTS - 1])
    engine = bench.engine(bench.journal.steps("a", "b"))

    await bench.run_with_retries(engine)

    assert (await bench.reload(task)).state == TaskState.FINISHED


async def test_a_step_that_keeps_failing_is_undone_after_the_last_attempt(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", *FAILURES)
    engine = bench.engine(bench.journal.steps("a", "b", "c"))

    await bench.run_with_retries(engine)

    assert bench.journal.lines == ["a", *["b"] * MAX_ATTEMPTS, "undo b", "undo a", "failed"]
    after = await bench.reload(task)
    assert (after.state, after.error, after.created_resources) == (TaskState.ERROR, "busy", None)


async def test_a_task_that_is_being_retried_has_no_error(bench: Workbench) -> None:
    """Clients take an error for the end of the task."""
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", retryable_error())

    await bench.engine(bench.journal.steps("a")).run_until_idle()

    after = await bench.reload(task)
    assert (after.state, after.error, after.attempts) == (TaskState.RUNNING, None, 1)


@pytest.mark.parametrize("failing", range(3))
async def test_begun_steps_are_undone_last_first(bench: Workbench, failing: int) -> None:
    names = ["a", "b", "c"]
    await bench.add_tasks(a_task())
    bench.journal.fail(names[failing], final_error("no room"))

    await bench.engine(bench.journal.steps(*names)).run_until_idle()

    begun = names[: failing + 1]
    assert bench.journal.lines == [*begun, *(f"undo {name}" for name in reversed(begun)), "failed"]
    assert await bench.end_counts() == {"failed": 1}


async def test_a_step_without_an_undo_is_skipped_while_undoing(bench: Workbench) -> None:
    await bench.add_tasks(a_task())
    bench.journal.fail("c", final_error())
    steps = bench.journal.step("a"), bench.journal.step("b", undo=False), bench.journal.step("c", undo=False)

    await bench.engine(bench.journal.operation(*steps)).run_until_idle()

    assert bench.journal.lines == ["a", "b", "c", "undo a", "failed"]


async def test_an_undo_with_a_retryable_failure_is_retried(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", final_error("no room"))
    bench.journal.fail("undo b", retryable_error(), retryable_error())
    engine = bench.engine(bench.journal.steps("a", "b"))

    await bench.run_with_retries(engine)

    assert bench.journal.lines == ["a", "b", "undo b", "undo b", "undo b", "undo a", "failed"]
    assert (await bench.reload(task)).error == "no room"


async def test_an_undo_with_a_final_failure_does_not_stop_the_others(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("b", final_error("no room"))
    bench.journal.fail("undo b", final_error("worse"))

    await bench.engine(bench.journal.steps("a", "b")).run_until_idle()

    assert bench.journal.lines == ["a", "b", "undo b", "undo a", "failed"]
    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no room")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (final_error("no host has room"), "no host has room"),
        (Conflict("Instance i-1 is gone"), "Instance i-1 is gone"),
        (RuntimeError("password of the database"), "Internal error"),
    ],
)
async def test_a_task_shows_messages_for_tenants_and_hides_internal_errors(
    bench: Workbench, failure: Exception, error: str
) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", *[failure] * MAX_ATTEMPTS)
    engine = bench.engine(bench.journal.steps("a"))

    await bench.run_with_retries(engine)

    assert (await bench.reload(task)).error == error


@pytest.mark.parametrize("failure", [RuntimeError("the connection broke"), Unavailable("The database is away")])
async def test_a_temporary_internal_failure_does_not_fail_the_task(bench: Workbench, failure: Exception) -> None:
    task = await bench.add_tasks(a_task())
    bench.journal.fail("a", failure)
    bench.journal.fail("done", failure)
    engine = bench.engine(bench.journal.steps("a"))

    await bench.run_with_retries(engine)

    assert (await bench.reload(task)).state == TaskState.FINISHED
    assert bench.journal.lines == ["a", "a", "done", "done"]
    assert await bench.end_counts() == {"done": 1}


async def test_a_problem_at_the_end_of_a_task_undoes_it(bench: Workbench) -> None:
    """Otherwise its records would stay locked."""
    task = await bench.add_tasks(a_task())
    bench.journal.fail("done", Conflict("Instance i-1 is gone"))

    await bench.engine(bench.journal.steps("a", "b")).run_until_idle()

    assert bench.journal.lines == ["a", "b", "done", "undo b", "undo a", "failed"]
    assert (await bench.reload(task)).error == "Instance i-1 is gone"
    assert await bench.end_counts() == {"failed": 1}


async def test_a_nudged_engine_performs_many_tasks_concurrently(bench: Workbench) -> None:
    all_started, may_finish, all_finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
    started = finished = 0

    async def wait(_: TaskContext[NoArgs]) -> None:
        nonlocal started
        started += 1
        if started == AT_ONCE:
            all_started.set()
        await may_finish.wait()

    def count(*_: object) -> None:
        nonlocal finished
        finished += 1
        if finished == AT_ONCE + 5:
            all_finished.set()

    engine = bench.engine(bench.journal.operation(Step("a", wait)), on_task_end=count)
    running = asyncio.create_task(engine.run())
    await asyncio.sleep(0)
    await bench.add_tasks(*(a_task() for _ in range(AT_ONCE + 5)))
    engine.nudge()

    async with asyncio.timeout(10):
        await all_started.wait()
    assert started == AT_ONCE
    may_finish.set()
    async with asyncio.timeout(10):
        await all_finished.wait()
    running.cancel()
    assert await bench.end_counts() == {"done": AT_ONCE + 5}


async def test_an_engine_survives_temporary_failures_of_the_database(bench: Workbench) -> None:
    ended, flaky = asyncio.Event(), FlakyDatabase(bench.db, failing_writes=3)
    task = await bench.add_tasks(a_task())
    engine = bench.engine(bench.journal.steps("a"), db=flaky, on_task_end=lambda *_: ended.set())

    running = asyncio.create_task(engine.run())
    async with asyncio.timeout(10):
        while not ended.is_set():
            engine.nudge()
            await asyncio.sleep(0)
    running.cancel()

    assert flaky.failing_writes == 0
    assert (await bench.reload(task)).state == TaskState.FINISHED


class VolumeArgs(Struct, frozen=True):
    """Arguments with a required field."""

    volume_id: str


def volume_operation(bench: Workbench) -> Operation[VolumeArgs]:
    """Return an operation that records the volume's id in its step and at its end."""

    async def record_step(ctx: TaskContext[VolumeArgs]) -> None:
        await bench.journal.record(f"step {ctx.args.volume_id}")

    async def record_end(_: Tx, ctx: TaskContext[VolumeArgs]) -> None:
        await bench.journal.record(f"end {ctx.args.volume_id}")

    steps = (Step("record", record_step, undo=record_step),)
    return Operation(TaskType("try_it", VolumeArgs), steps, done=record_end, failed=record_end)


async def test_steps_get_the_decoded_arguments(bench: Workbench) -> None:
    await bench.add_tasks(a_task(args={"volume_id": "v-1", "unknown": 1}))

    await bench.engine(volume_operation(bench)).run_until_idle()

    assert bench.journal.lines == ["step v-1", "end v-1"]


@pytest.mark.parametrize("undoing", [False, True])
async def test_a_task_with_invalid_arguments_ends_in_error_at_once(bench: Workbench, *, undoing: bool) -> None:
    ends: list[str] = []
    task = await bench.add_tasks(a_task(args={"volume": "v-1"}, step=1, undoing=undoing, error="no room"))

    await bench.engine(volume_operation(bench), on_task_end=lambda _, state: ends.append(state)).run_until_idle()

    after = await bench.reload(task)
    assert (after.state, after.finished_at, after.lease_token) == (TaskState.ERROR, task.created_at, None)
    assert after.error == "The arguments of this try_it task are invalid: Object missing required field `volume_id`"
    assert (bench.journal.lines, ends) == ([], [TaskState.ERROR])
