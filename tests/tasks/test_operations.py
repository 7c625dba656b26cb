"""One harness for every operation: whichever step fails, nothing is left behind and nothing stays locked.

A new operation is tested as soon as it is registered; it needs a scenario in `scenarios.py`.
"""

from dataclasses import replace
from typing import Any

import pytest

from pileus.domain.errors import Conflict
from pileus.domain.tasks import Task
from pileus.store.count_checks import find_wrong_counts
from pileus.store.database import Tx
from pileus.tasks.operation import CreatedResources, TaskContext
from pileus.tasks.operations import OPERATIONS
from tests.tasks.db_snapshot import diff_rows, locked_rows
from tests.tasks.idle_clouds import IdleCloud
from tests.tasks.modified_steps import KilledError, doubled, failing, forbidden, killed_once, lasting, with_step
from tests.tasks.scenario import SendRequest
from tests.tasks.scenarios import SCENARIOS
from tests.tasks.workers import LEASE

NAMES = sorted(SCENARIOS)
STEPS = [(name, index) for name in NAMES for index in range(len(OPERATIONS[name].steps))]
# Operations that change no compared column.
INVISIBLE = {"soft_reboot_vm", "soft_reboot_bm", "hard_reboot_vm", "hard_reboot_bm", "revert_volume"}
# Operations that lock nothing.
WITHOUT_LOCKS = {"update_port"}
# Operations that create something new each time, and may be requested again meanwhile.
REPEATABLE = WITHOUT_LOCKS | {name for name in NAMES if name.startswith("create_")} | {"download_image"}
REPEATABLE -= {"create_ddos_profile", "create_image", "create_subnet"}


async def start_scenario(idle: IdleCloud, name: str) -> tuple[SendRequest, Task]:
    """Prepare a scenario and send its request; return the request, for repetition, and its task."""
    send = await SCENARIOS[name].prepare(idle.tenant)
    idle.before = await idle.load_all_rows()
    return send, await idle.start(send)


async def check_finished(idle: IdleCloud, name: str, task: Task) -> None:
    """The task has finished, and nothing is locked."""
    ended = await idle.load_task(task.id)
    assert (ended.task_type, ended.state, ended.error) == (name, "FINISHED", None)
    assert await idle.list_locked_rows() == []
    assert await find_wrong_counts(idle.tenant.running.app_state.db) == []


async def check_undone(idle: IdleCloud, name: str, task: Task) -> None:
    """The task has failed and nothing is locked; unless it is irreversible, all rows are as before."""
    ended, after = await idle.load_task(task.id), await idle.load_all_rows()
    assert (ended.state, ended.created_resources) == ("ERROR", None)
    assert locked_rows(after, idle.tenant.client_id) == []
    assert await find_wrong_counts(idle.tenant.running.app_state.db) == []
    if not SCENARIOS[name].irreversible:
        assert diff_rows(idle.before, after) == {}


async def check_repeatable(idle: IdleCloud, name: str, send: SendRequest) -> None:
    """The task of a repeated request finishes."""
    task = await idle.start(send)
    await idle.run_engine(OPERATIONS[name])
    await check_finished(idle, name, task)


def test_every_operation_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(OPERATIONS)


@pytest.mark.parametrize("name", NAMES)
async def test_an_operation_finishes_and_unlocks_everything(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    assert task.task_type == name
    assert (await idle.list_locked_rows() == []) == (name in WITHOUT_LOCKS)

    await idle.run_engine(OPERATIONS[name])

    await check_finished(idle, name, task)
    assert (diff_rows(idle.before, await idle.load_all_rows()) == {}) == (name in INVISIBLE)


@pytest.mark.parametrize("name", NAMES)
async def test_a_second_request_during_the_task_is_409(idle: IdleCloud, name: str) -> None:
    if name in REPEATABLE:
        return
    send, _ = await start_scenario(idle, name)
    during = await idle.load_all_rows()

    answer = await send(idle.tenant)

    assert answer.status_code == 409
    assert diff_rows(during, await idle.load_all_rows()) == {}


@pytest.mark.parametrize("name", NAMES)
async def test_each_step_is_idempotent(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name])
    await check_finished(idle, name, task)
    once = _shape(diff_rows(idle.before, await idle.load_all_rows()))

    _, task = await start_scenario(idle, name)
    await idle.run_engine(with_step(name, None, doubled))

    await check_finished(idle, name, task)
    assert _shape(diff_rows(idle.before, await idle.load_all_rows())) == once


@pytest.mark.parametrize("name", NAMES)
async def test_an_instant_engine_leaves_what_another_one_leaves(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name])
    changes = _shape(diff_rows(idle.before, await idle.load_all_rows()))

    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name], is_instant=True)

    await check_finished(idle, name, task)
    assert (await idle.load_task(task.id)).lease_token is None
    assert _shape(diff_rows(idle.before, await idle.load_all_rows())) == changes


@pytest.mark.parametrize("name", [name for name in NAMES if OPERATIONS[name].steps])
async def test_a_failure_of_an_instant_engine_leaves_nothing_behind(idle: IdleCloud, name: str) -> None:
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    await idle.run_engine(with_step(name, last, failing(after_effect=True)), is_instant=True)

    await check_undone(idle, name, task)
    task = await idle.start(send)
    await idle.run_engine(OPERATIONS[name], is_instant=True)
    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_a_failure_at_any_step_leaves_nothing_behind(idle: IdleCloud, name: str, index: int) -> None:
    """Neither before the effect of the step, nor after it, even if everything is done and undone twice."""
    send, task = await start_scenario(idle, name)
    await idle.run_engine(with_step(name, index, failing(after_effect=False)))
    await check_undone(idle, name, task)
    assert (await idle.load_task(task.id)).error == "injected"

    task = await idle.start(send)
    operation = with_step(name, index, failing(after_effect=True))
    await idle.run_engine(replace(operation, steps=tuple(map(doubled, operation.steps))))
    await check_undone(idle, name, task)

    await check_repeatable(idle, name, send)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_after_a_worker_died_in_any_step_another_one_finishes_the_task(
    idle: IdleCloud, name: str, index: int
) -> None:
    """Steps that took no time run again."""
    _, task = await start_scenario(idle, name)
    with pytest.raises(KilledError):
        await idle.run_engine(with_step(name, index, killed_once()))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(OPERATIONS[name])

    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_steps_that_last_do_not_run_again_after_a_worker_died(idle: IdleCloud, name: str, index: int) -> None:
    _, task = await start_scenario(idle, name)
    steps = list(map(lasting(idle.clock), OPERATIONS[name].steps))
    steps[index] = killed_once()(steps[index])
    with pytest.raises(KilledError):
        await idle.run_engine(replace(OPERATIONS[name], steps=tuple(steps)))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(replace(OPERATIONS[name], steps=(*map(forbidden, steps[:index]), *steps[index:])))

    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_a_failure_after_a_worker_died_undoes_what_it_had_done(idle: IdleCloud, name: str, index: int) -> None:
    """Also if the failure comes before a step that the worker had finished."""
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    with pytest.raises(KilledError):
        await idle.run_engine(with_step(name, last, killed_once()))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(with_step(name, index, failing(after_effect=False)))

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_after_a_worker_died_while_undoing_another_one_undoes_the_rest(
    idle: IdleCloud, name: str, index: int
) -> None:
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    operation = with_step(name, last, failing(after_effect=True))
    steps = [
        killed_once(undoing=True)(step) if number == index else step for number, step in enumerate(operation.steps)
    ]
    with pytest.raises(KilledError):
        await idle.run_engine(replace(operation, steps=tuple(steps)))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(OPERATIONS[name])

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


@pytest.mark.parametrize("name", NAMES)
async def test_a_problem_at_the_end_leaves_nothing_behind(idle: IdleCloud, name: str) -> None:
    send, task = await start_scenario(idle, name)

    async def done(tx: Tx, ctx: TaskContext[Any]) -> CreatedResources | None:
        await OPERATIONS[name].done(tx, ctx)
        raise Conflict("Something else has come in between")

    await idle.run_engine(replace(OPERATIONS[name], done=done))

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


def _shape(changes: dict[str, list[Any]]) -> dict[str, tuple[int, int]]:
    """Return the numbers of new and of removed rows of each table."""
    return {
        table: (sum(kind == "new" for kind, _ in rows), sum(kind == "removed" for kind, _ in rows))
        for table, rows in changes.items()
    }
