"""Faults on demand: tasks wait or fail where an operator has asked, as often as asked."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import Fault
from pileus.domain.tasks import TaskState
from pileus.drivers.protocols.compute import DriverError
from pileus.store import faults
from pileus.tasks.fault_injection import StoredFaultInjector
from tests.tasks.workers import Stage, a_task

ALWAYS, ONCE = None, 1


async def a_fault(stage: Stage, kind: str = "fail", **changes: Any) -> Fault:
    fault = Fault(**{"id": f"fault-{stage.clock()}", "kind": kind, "created_at": stage.clock(), **changes})
    stage.clock.pass_by(1)
    return await stage.db.write(lambda tx: faults.add(tx, fault))


async def left(stage: Stage) -> list[Fault]:
    async with stage.db.read() as tx:
        return await faults.every(tx)


async def met(stage: Stage, task_type: str = "try_it", step: str = "a", *, first: bool = True) -> str | None:
    """What a worker meets before a step."""
    try:
        await StoredFaultInjector(stage.db).before(a_task(task_type), step, first=first)
    except DriverError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("fault", "strikes"),
    [
        ({}, True),
        ({"task_type": "try_it"}, True),
        ({"task_type": "other"}, False),
        ({"step": "a"}, True),
        ({"step": "b"}, False),
        ({"task_type": "try_it", "step": "a"}, True),
    ],
)
async def test_a_failure_strikes_where_it_is_asked_to(stage: Stage, fault: dict[str, Any], strikes: bool) -> None:  # noqa: FBT001
    await a_fault(stage, message="as ordered", **fault)

    assert await met(stage) == ("as ordered" if strikes else None)


async def test_a_failure_for_no_step_strikes_the_first_one_only(stage: Stage) -> None:
    await a_fault(stage)

    assert await met(stage, step="b", first=False) is None
    assert await met(stage) == "Failure injected at step 'a'"


async def test_a_failure_strikes_as_often_as_it_is_asked_to(stage: Stage) -> None:
    await a_fault(stage, times=2)

    assert [await met(stage) is not None for _ in range(3)] == [True, True, False]
    assert await left(stage) == []


async def test_a_failure_without_an_end_stays(stage: Stage) -> None:
    fault = await a_fault(stage, times=ALWAYS)

    assert [await met(stage) is not None for _ in range(5)] == [True] * 5
    assert await left(stage) == [fault]


async def test_of_many_who_meet_a_single_failure_at_once_one_is_struck(stage: Stage) -> None:
    await a_fault(stage, times=ONCE)

    struck = await asyncio.gather(*(met(stage) for _ in range(20)))

    assert len([told for told in struck if told is not None]) == 1


async def test_a_held_task_waits_until_it_is_let_go_and_its_lease_is_kept(stage: Stage) -> None:
    fault, looks, task = await a_fault(stage, "hold"), 0, await stage.waiting(a_task())

    async def look_again(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            await stage.db.write(lambda tx: faults.remove(tx, fault.id))

    await stage.engine(
        stage.journal.steps("a"), interference=StoredFaultInjector(stage.db, sleep=look_again)
    ).run_until_idle()

    assert looks == 3
    assert (await stage.now_of(task)).state == TaskState.FINISHED


async def test_a_struck_task_is_undone_and_tells_what_was_asked_to_be_told(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    await a_fault(stage, step="b", message="no power")

    await stage.engine(stage.journal.steps("a", "b"), interference=StoredFaultInjector(stage.db)).run_until_idle()

    after = await stage.now_of(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no power")
    assert stage.journal.lines == ["a", "undo b", "undo a", "failed"]
