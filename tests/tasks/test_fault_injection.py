"""Injected faults: tasks are held or fail at the requested steps, as often as requested."""

import asyncio
from functools import partial
from typing import Any

import pytest

from pileus.domain.account.access import ALL_CLIENTS
from pileus.domain.faults import Fault
from pileus.domain.tasks import TaskState
from pileus.drivers.protocols.errors import DriverError
from pileus.store import faults, tasks
from pileus.store.database import Tx
from pileus.tasks.fault_injection import StoredFaultInjector
from tests.tasks.workers import LEASE, Workbench, a_task

ALWAYS, ONCE = None, 1


async def a_fault(bench: Workbench, kind: str = "fail", **changes: Any) -> Fault:
    fields = {"id": f"fault-{bench.clock()}", "client_id": ALL_CLIENTS, "kind": kind, "created_at": bench.clock()}
    fault = Fault(**{**fields, **changes})
    bench.clock.advance(1)
    return await bench.db.write(lambda tx: faults.add(tx, fault))


async def remove_fault(fault: Fault, tx: Tx) -> None:
    assert await faults.remove(tx, ALL_CLIENTS, fault.id)


async def list_faults(bench: Workbench) -> list[Fault]:
    async with bench.db.read() as tx:
        return await faults.list_in_reach(tx, ALL_CLIENTS)


async def error_before(
    bench: Workbench, task_type: str = "try_it", step: str = "a", *, first: bool = True
) -> str | None:
    """Return the failure that a worker gets before a step."""
    try:
        await StoredFaultInjector(bench.db).before_step(bench.context(a_task(task_type)), step, is_first=first)
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


async def test_a_held_task_gives_its_slot_back_and_continues_when_the_hold_is_removed(bench: Workbench) -> None:
    fault, task = await a_fault(bench, "hold", step="b"), await bench.add_tasks(a_task())
    engine = bench.engine(bench.journal.steps("a", "b"), fault_injector=StoredFaultInjector(bench.db))

    await engine.run_until_idle()
    during_hold = await bench.reload(task)
    await bench.db.write(lambda tx: faults.remove(tx, ALL_CLIENTS, fault.id))
    bench.clock.advance(1)
    await engine.run_until_idle()

    assert (during_hold.state, during_hold.step, during_hold.held_by, during_hold.lease_token) == (
        TaskState.RUNNING,
        1,
        fault.id,
        None,
    )
    after = await bench.reload(task)
    assert (after.state, after.held_by) == (TaskState.FINISHED, None)
    assert bench.journal.lines == ["a", "b", "done"]


async def test_a_held_task_is_not_claimed_however_long_it_is_held(bench: Workbench) -> None:
    await a_fault(bench, "hold")
    await bench.add_tasks(a_task())
    engine = bench.engine(bench.journal.steps("a"), fault_injector=StoredFaultInjector(bench.db))
    await engine.run_until_idle()

    bench.clock.advance(1000 * LEASE)

    assert await bench.claim("other") is None


async def test_a_task_held_twice_waits_for_the_removal_of_both_holds(bench: Workbench) -> None:
    holds, task = (
        [await a_fault(bench, "hold"), await a_fault(bench, "hold", step="a")],
        await bench.add_tasks(a_task()),
    )
    engine = bench.engine(bench.journal.steps("a"), fault_injector=StoredFaultInjector(bench.db))
    await engine.run_until_idle()

    states = []
    for fault in holds:
        await bench.db.write(partial(remove_fault, fault))
        bench.clock.advance(1)
        await engine.run_until_idle()
        states.append((await bench.reload(task)).state)

    assert states == [TaskState.RUNNING, TaskState.FINISHED]


async def test_a_hold_that_is_removed_before_the_task_is_held_does_not_hold_it(bench: Workbench) -> None:
    """The worker reads the hold; then it is removed, and only then the worker gives the slot back."""
    task = await bench.add_tasks(a_task())
    claimed = await bench.claim("token")
    assert claimed is not None

    await bench.db.write(lambda tx: tasks.hold(tx, claimed, "removed", bench.clock(), lease_until=0))

    assert (await bench.reload(task)).held_by is None
    assert await bench.claim("next") is not None


async def test_a_task_with_a_failure_is_undone_and_shows_its_message(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    await a_fault(bench, step="b", message="no power")

    await bench.engine(bench.journal.steps("a", "b"), fault_injector=StoredFaultInjector(bench.db)).run_until_idle()

    after = await bench.reload(task)
    assert (after.state, after.error) == (TaskState.ERROR, "no power")
    assert bench.journal.lines == ["a", "undo b", "undo a", "failed"]
