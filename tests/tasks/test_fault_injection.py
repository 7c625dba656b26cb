"""Injected faults: tasks are held or fail at the requested steps, as often as requested."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import Fault
from pileus.domain.tasks import TaskState
from pileus.drivers.protocols.errors import DriverError
from pileus.store import faults
from pileus.tasks.fault_injection import StoredFaultInjector
from tests.tasks.workers import Workbench, a_task

ALWAYS, ONCE = None, 1


async def a_fault(bench: Workbench, kind: str = "fail", **changes: Any) -> Fault:
    fault = Fault(**{"id": f"fault-{bench.clock()}", "kind": kind, "created_at": bench.clock(), **changes})
    bench.clock.advance(1)
    return await bench.db.write(lambda tx: faults.add(tx, fault))


async def list_faults(bench: Workbench) -> list[Fault]:
    async with bench.db.read() as tx:
        return await faults.list_all(tx)


async def error_before(
    bench: Workbench, task_type: str = "try_it", step: str = "a", *, first: bool = True
) -> str | None:
    """Return the failure that a worker gets before a step."""
    try:
        await StoredFaultInjector(bench.db).before_step(a_task(task_type), step, first=first)
    except DriverError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        ({}, True),
        ({"task_type": "try_it"}, True),
        ({"task_type": "other"}, False),
        ({"step": "a"}, True),
        ({"step": "b"}, False),
        ({"task_type": "try_it", "step": "a"}, True),
    ],
)
async def test_a_failure_matches_by_task_type_and_step(bench: Workbench, fault: dict[str, Any], matches: bool) -> None:  # noqa: FBT001  # a parameter of the test
    await a_fault(bench, message="as requested", **fault)

    assert await error_before(bench) == ("as requested" if matches else None)


async def test_a_failure_without_a_step_matches_the_first_step_only(bench: Workbench) -> None:
    await a_fault(bench)

    assert await error_before(bench, step="b", first=False) is None
    assert await error_before(bench) == "Failure injected at step 'a'"


async def test_a_failure_happens_as_often_as_requested(bench: Workbench) -> None:
    await a_fault(bench, times=2)

    assert [await error_before(bench) is not None for _ in range(3)] == [True, True, False]
    assert await list_faults(bench) == []


async def test_a_failure_without_a_limit_stays(bench: Workbench) -> None:
    fault = await a_fault(bench, times=ALWAYS)

    assert [await error_before(bench) is not None for _ in range(5)] == [True] * 5
    assert await list_faults(bench) == [fault]


async def test_of_many_concurrent_tasks_a_single_failure_hits_one(bench: Workbench) -> None:
    await a_fault(bench, times=ONCE)

    errors = await asyncio.gather(*(error_before(bench) for _ in range(20)))

    assert len([error for error in errors if error is not None]) == 1


async def test_a_held_task_waits_until_the_hold_is_removed_and_keeps_its_lease(bench: Workbench) -> None:
    fault, polls, task = await a_fault(bench, "hold"), 0, await bench.add_tasks(a_task())

    async def sleep(_: float) -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            await bench.db.write(lambda tx: faults.remove(tx, fault.id))

    await bench.engine(
        bench.journal.steps("a"), fault_injector=StoredFaultInjector(bench.db, sleep=sleep)
    ).run_until_idle()

    assert polls == 3
    assert (await bench.reload(task)).state == TaskState.FINISHED


async def test_a_task_with_a_failure_is_undone_and_shows_its_message(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    await a_fault(bench, step="b", message="no power")

    await bench.engine(bench.journal.steps("a", "b"), fault_injector=StoredFaultInjector(bench.db)).run_until_idle()

    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no power")
    assert bench.journal.lines == ["a", "undo b", "undo a", "failed"]
