"""Waiting for the end of a task: told by this process, or found by looking; and not for ever."""

import asyncio

import pytest

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.tasks import completion
from pileus.tasks.completion import TaskWaiters
from tests.tasks.workers import Stage, a_task

LONG = 60.0


async def end(stage: Stage, task: Task) -> None:
    """Let a worker finish the task."""
    claimed = await stage.claimed("token")
    assert claimed is not None
    await stage.db.write(
        lambda tx: tasks.save_progress(tx, claimed, 2, state="FINISHED", finished_at=2, lease_token=None)
    )
    assert (await stage.now_of(task)).finished_at == 2


async def test_who_comes_late_need_not_wait(stage: Stage) -> None:
    task = await stage.waiting(a_task())
    await end(stage, task)

    assert await TaskWaiters().wait(stage.db, task.id, patience=0)


async def test_who_waits_is_told_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "LOOK_AGAIN", LONG)
    task, told = await stage.waiting(a_task()), TaskWaiters()
    waiting = asyncio.create_task(told.wait(stage.db, task.id, patience=LONG))
    await asyncio.sleep(0.01)

    await end(stage, task)
    told.notify(task)

    assert await asyncio.wait_for(waiting, 5)


async def test_the_end_that_another_process_brings_about_is_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "LOOK_AGAIN", 0.001)
    task = await stage.waiting(a_task())
    waiting = asyncio.create_task(TaskWaiters().wait(stage.db, task.id, patience=LONG))

    await end(stage, task)

    assert await asyncio.wait_for(waiting, 5)


async def test_patience_has_an_end(stage: Stage) -> None:
    task, told = await stage.waiting(a_task()), TaskWaiters()

    assert not await told.wait(stage.db, task.id, patience=0.01)
    told.notify(task)
