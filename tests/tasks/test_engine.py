"""The engine: steps in order, tried again when that may help, and undone when it does not."""

import asyncio

import pytest

from pileus.domain.errors import Conflict, Unavailable
from pileus.domain.tasks import TaskState
from pileus.tasks.engine import AT_ONCE, FIRST_PAUSE, TRIES
from pileus.tasks.operation import Step, TaskContext
from tests.tasks.workers import Flaky, Stage, a_task, lasting, passing

FOREVER = [passing() for _ in range(99)]


async def test_a_task_goes_through_its_steps_and_ends(stage: Stage) -> None:
    task = await stage.waiting(a_task())

    await stage.engine(stage.journal.steps("a", "b")).run_until_idle()

    after = await stage.now_of(task)
    assert stage.journal.lines == ["a", "b", "done"]
    assert (after.state, after.step, after.error, after.lease_token) == (TaskState.FINISHED, 2, None, None)
    assert (after.created_resources, after.finished_at) == ({"instances": ["i-1"]}, stage.clock.time)
    assert await stage.ended() == {"done": 1}


async def test_how_a_task_ends_is_told(stage: Stage) -> None:
    told: list[tuple[str, str]] = []
    await stage.waiting(a_task(), a_task())
    stage.journal.fail("a", lasting())

    await stage.engine(
        stage.journal.steps("a"), ended=lambda task, state: told.append((task.task_type, state))
    ).run_until_idle()

    assert told == [("try_it", "ERROR"), ("try_it", "FINISHED")]


async def test_tasks_are_taken_up_in_the_order_in_which_they_came(stage: Stage) -> None:
    kinds = ["first", "second", "third"]
    for kind in kinds:
        await stage.waiting(a_task(kind))

    await stage.engine(
        *(stage.journal.operation(stage.journal.step(kind), task_type=kind) for kind in kinds)
    ).run_until_idle()

    assert [line for line in stage.journal.lines if line != "done"] == kinds


@pytest.mark.parametrize("failures", [1, TRIES - 1])
async def test_what_may_pass_is_tried_again_after_growing_pauses(stage: Stage, failures: int) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("b", *FOREVER[:failures])
    engine = stage.engine(stage.journal.steps("a", "b", "c"))

    pauses = []
    await engine.run_until_idle()
    while (await stage.now_of(task)).state != TaskState.FINISHED:
        began = stage.clock.time
        tried = stage.journal.lines.count("b")
        while stage.journal.lines.count("b") == tried:
            stage.clock.pass_by(100_000)
            await engine.run_until_idle()
        pauses.append(stage.clock.time - began)

    assert pauses == [FIRST_PAUSE << number for number in range(failures)]
    assert stage.journal.lines == ["a", *["b"] * (failures + 1), "c", "done"]


async def test_tries_are_counted_anew_for_each_step(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("a", *FOREVER[: TRIES - 1])
    stage.journal.fail("b", *FOREVER[: TRIES - 1])
    engine = stage.engine(stage.journal.steps("a", "b"))

    await stage.settled(engine)

    assert (await stage.now_of(task)).state == TaskState.FINISHED


async def test_what_does_not_pass_is_given_up_and_undone(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("b", *FOREVER)
    engine = stage.engine(stage.journal.steps("a", "b", "c"))

    await stage.settled(engine)

    assert stage.journal.lines == ["a", *["b"] * TRIES, "undo b", "undo a", "failed"]
    after = await stage.now_of(task)
    assert (after.state, after.error, after.created_resources) == (TaskState.ERROR, "busy", None)


async def test_while_a_task_is_tried_again_it_shows_no_error(stage: Stage) -> None:
    """Clients take an error for the end."""
    task = await stage.waiting(a_task())
    stage.journal.fail("a", passing())

    await stage.engine(stage.journal.steps("a")).run_until_idle()

    after = await stage.now_of(task)
    assert (after.state, after.error, after.attempts) == (TaskState.RUNNING, None, 1)


@pytest.mark.parametrize("broken", range(3))
async def test_what_began_is_undone_last_first(stage: Stage, broken: int) -> None:
    names = ["a", "b", "c"]
    await stage.waiting(a_task())
    stage.journal.fail(names[broken], lasting("no room"))

    await stage.engine(stage.journal.steps(*names)).run_until_idle()

    begun = names[: broken + 1]
    assert stage.journal.lines == [*begun, *(f"undo {name}" for name in reversed(begun)), "failed"]
    assert await stage.ended() == {"failed": 1}


async def test_a_step_without_an_undo_is_passed_over(stage: Stage) -> None:
    await stage.waiting(a_task())
    stage.journal.fail("c", lasting())
    steps = stage.journal.step("a"), stage.journal.step("b", undo=False), stage.journal.step("c", undo=False)

    await stage.engine(stage.journal.operation(*steps)).run_until_idle()

    assert stage.journal.lines == ["a", "b", "c", "undo a", "failed"]


async def test_an_undo_that_may_pass_is_tried_again(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("b", lasting("no room"))
    stage.journal.fail("undo b", passing(), passing())
    engine = stage.engine(stage.journal.steps("a", "b"))

    await stage.settled(engine)

    assert stage.journal.lines == ["a", "b", "undo b", "undo b", "undo b", "undo a", "failed"]
    assert (await stage.now_of(task)).error == "no room"


async def test_an_undo_that_fails_for_good_does_not_stop_the_others(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("b", lasting("no room"))
    stage.journal.fail("undo b", lasting("worse"))

    await stage.engine(stage.journal.steps("a", "b")).run_until_idle()

    assert stage.journal.lines == ["a", "b", "undo b", "undo a", "failed"]
    after = await stage.now_of(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no room")


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (lasting("no host has room"), "no host has room"),
        (Conflict("Instance i-1 is gone"), "Instance i-1 is gone"),
        (RuntimeError("password of the database"), "Internal error"),
    ],
)
async def test_a_tenant_is_told_what_is_meant_for_them(stage: Stage, failure: Exception, told: str) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("a", *[failure] * TRIES)
    engine = stage.engine(stage.journal.steps("a"))

    await stage.settled(engine)

    assert (await stage.now_of(task)).error == told


@pytest.mark.parametrize("failure", [RuntimeError("the connection broke"), Unavailable("The database is away")])
async def test_a_moments_failure_of_the_inside_is_no_failure_of_the_task(stage: Stage, failure: Exception) -> None:
    task = await stage.waiting(a_task())
    stage.journal.fail("a", failure)
    stage.journal.fail("done", failure)
    engine = stage.engine(stage.journal.steps("a"))

    await stage.settled(engine)

    assert (await stage.now_of(task)).state == TaskState.FINISHED
    assert stage.journal.lines == ["a", "a", "done", "done"]
    assert await stage.ended() == {"done": 1}


async def test_an_end_that_a_rule_forbids_undoes_the_task(stage: Stage) -> None:
    """So that nothing stays locked for ever."""
    task = await stage.waiting(a_task())
    stage.journal.fail("done", Conflict("Instance i-1 is gone"))

    await stage.engine(stage.journal.steps("a", "b")).run_until_idle()

    assert stage.journal.lines == ["a", "b", "done", "undo b", "undo a", "failed"]
    assert (await stage.now_of(task)).error == "Instance i-1 is gone"
    assert await stage.ended() == {"failed": 1}


async def test_a_nudged_worker_takes_up_what_waits_many_at_once(stage: Stage) -> None:
    full, go_on, over, at_work, finished = asyncio.Event(), asyncio.Event(), asyncio.Event(), 0, 0

    async def wait(_: TaskContext) -> None:
        nonlocal at_work
        at_work += 1
        if at_work == AT_ONCE:
            full.set()
        await go_on.wait()

    def count(*_: object) -> None:
        nonlocal finished
        finished += 1
        if finished == AT_ONCE + 5:
            over.set()

    engine = stage.engine(stage.journal.operation(Step("a", wait)), ended=count)
    working = asyncio.create_task(engine.run())
    await asyncio.sleep(0)
    await stage.waiting(*(a_task() for _ in range(AT_ONCE + 5)))
    engine.nudge()

    async with asyncio.timeout(10):
        await full.wait()
    assert at_work == AT_ONCE
    go_on.set()
    async with asyncio.timeout(10):
        await over.wait()
    working.cancel()
    assert await stage.ended() == {"done": AT_ONCE + 5}


async def test_a_worker_outlives_a_database_that_is_away_for_a_moment(stage: Stage) -> None:
    over, flaky = asyncio.Event(), Flaky(stage.db, failures=3)
    task = await stage.waiting(a_task())
    engine = stage.engine(stage.journal.steps("a"), db=flaky, ended=lambda *_: over.set())

    working = asyncio.create_task(engine.run())
    async with asyncio.timeout(10):
        while not over.is_set():
            engine.nudge()
            await asyncio.sleep(0)
    working.cancel()

    assert flaky.failures == 0
    assert (await stage.now_of(task)).state == TaskState.FINISHED
