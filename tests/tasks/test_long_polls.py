"""Long polling of tasks: requests that wait, are woken, and are bounded."""

import asyncio
import time

import pytest

from pileus.domain.errors import NotFound
from pileus.domain.tasks import Task
from pileus.tasks import long_polls
from pileus.tasks.completion import TaskWaiters
from pileus.tasks.long_polls import LongPolls
from tests.tasks.test_completion import end
from tests.tasks.workers import Workbench, a_task

CLIENT = 1
LONG = 60.0
SOON = 30.0


def start_reading(polls: LongPolls, bench: Workbench, task: Task, client_id: int = CLIENT) -> asyncio.Task[Task]:
    return asyncio.create_task(polls.read_task(bench.db, client_id, task.id))


async def has_ended_soon(reading: asyncio.Task[Task]) -> bool:
    """Return whether a read is answered, after a time in which one that does not wait is answered."""
    return bool((await asyncio.wait({reading}, timeout=0.1))[0])


async def test_the_end_of_a_task_answers_all_its_readers(bench: Workbench) -> None:
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()
    polls = LongPolls(waiters, LONG)
    readers = [start_reading(polls, bench, task) for _ in range(3)]
    assert not await has_ended_soon(readers[0])

    await end(bench, task)
    waiters.wake_waiters_of_task(task)

    answers = await asyncio.wait_for(asyncio.gather(*readers), SOON)
    assert [answer.state for answer in answers] == ["FINISHED"] * 3


async def test_the_end_of_a_task_of_another_process_is_read_when_the_wait_is_over(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    reading = start_reading(LongPolls(TaskWaiters(), 0.2), bench, task)

    await end(bench, task)

    assert (await asyncio.wait_for(reading, SOON)).state == "FINISHED"


async def test_a_task_that_does_not_end_is_answered_when_the_wait_is_over(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    started_at = time.monotonic()

    answer = await asyncio.wait_for(start_reading(LongPolls(TaskWaiters(), 0.05), bench, task), SOON)

    assert answer.state == "NEW"
    assert time.monotonic() - started_at >= 0.05


async def test_nothing_waits_for_an_ended_task_or_without_a_time(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())

    assert (
        await asyncio.wait_for(LongPolls(TaskWaiters(), 0).read_task(bench.db, CLIENT, task.id), SOON)
    ).id == task.id
    await end(bench, task)
    assert (await asyncio.wait_for(start_reading(LongPolls(TaskWaiters(), LONG), bench, task), SOON)).has_ended


async def test_an_unknown_task_is_refused_at_once(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())

    with pytest.raises(NotFound):
        await asyncio.wait_for(LongPolls(TaskWaiters(), LONG).read_task(bench.db, CLIENT + 1, task.id), SOON)


async def test_a_stop_answers_the_waiting_requests_and_later_ones_do_not_wait(bench: Workbench) -> None:
    task = await bench.add_tasks(a_task())
    polls = LongPolls(TaskWaiters(), LONG)
    reading = start_reading(polls, bench, task)
    assert not await has_ended_soon(reading)

    polls.stop()

    assert (await asyncio.wait_for(reading, SOON)).state == "NEW"
    assert (await asyncio.wait_for(start_reading(polls, bench, task), SOON)).state == "NEW"


@pytest.mark.parametrize("limit", ["MAX_POLLS", "MAX_POLLS_OF_CLIENT"])
async def test_requests_over_the_limit_do_not_wait(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(long_polls, limit, 1)
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()
    other = await bench.add_tasks(a_task(client_id=CLIENT + 1))
    polls = LongPolls(waiters, LONG)
    first = start_reading(polls, bench, task)
    assert not await has_ended_soon(first)

    second = start_reading(polls, bench, task)
    of_other_client = start_reading(polls, bench, other, CLIENT + 1)

    assert await has_ended_soon(second)
    assert await has_ended_soon(of_other_client) == (limit == "MAX_POLLS")
    polls.stop()
    await asyncio.gather(first, second, of_other_client)


async def test_an_answered_request_makes_room_for_the_next_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_polls, "MAX_POLLS_OF_CLIENT", 1)
    task, waiters = await bench.add_tasks(a_task()), TaskWaiters()
    polls = LongPolls(waiters, LONG)
    first = start_reading(polls, bench, task)
    assert not await has_ended_soon(first)
    first.cancel()
    await asyncio.wait({first})

    second = start_reading(polls, bench, task)

    assert not await has_ended_soon(second)
    polls.stop()
    await second
