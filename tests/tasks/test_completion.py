"""Waiting for the end of a task: notified by this process or found by polling, up to a limit."""

import asyncio

import pytest

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.tasks import completion
from pileus.tasks.completion import TaskWaiters
from tests.tasks.workers import Workbench, a_task

LONG = 60.0


async def end(bench: Workbench, task: Task) -> None:
    """Finish the task as a worker does."""
    claimed = await bench.claim("token")
    assert claimed is not None
    await bench.db.write(
        lambda tx: tasks.save_progress(tx, claimed, 2, state="FINISHED", finished_at=2, lease_token=None)
    )
    assert (await bench.reload(task)).finished_at == 2


async def test_waiting_for_an_ended_task_returns_at_once(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    await end(bench, task)

    assert await TaskWaiters().wait_for_task(bench.db, task.id, patience=0)


async def test_a_notification_ends_the_wait(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "POLL_INTERVAL", LONG)
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()
    waiting = asyncio.create_task(waiters.wait_for_task(bench.db, task.id, patience=LONG))
    await asyncio.sleep(0.01)

    await end(bench, task)
    waiters.wake_waiters_of_task(task)

    assert await asyncio.wait_for(waiting, 30)


async def test_the_end_of_a_task_of_another_process_is_found_by_polling(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "POLL_INTERVAL", 0.001)
    task = await bench.add_tasks(a_task())
    waiting = asyncio.create_task(TaskWaiters().wait_for_task(bench.db, task.id, patience=LONG))

    await end(bench, task)

    assert await asyncio.wait_for(waiting, 30)


async def test_the_wait_ends_after_its_patience(bench: Workbench) -> None:
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()

    assert not await waiters.wait_for_task(bench.db, task.id, patience=0.01)
    waiters.wake_waiters_of_task(task)


async def test_a_request_that_gives_up_leaves_the_others_waiting_for_the_notification(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "POLL_INTERVAL", LONG)
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()
    waiting = asyncio.create_task(waiters.wait_for_task(bench.db, task.id, patience=LONG))

    assert not await waiters.wait_for_task(bench.db, task.id, patience=0.01)
    await end(bench, task)
    waiters.wake_waiters_of_task(task)

    assert await asyncio.wait_for(waiting, 30)
