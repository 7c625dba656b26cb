"""Cancelled background work ends, even if a cancellation gets lost."""

import asyncio
from contextlib import suppress

import pytest

from pileus.tasks.cancellation import cancel_and_wait, complete

SOON = 0.01


async def ignore_cancellations(times: int) -> None:
    """Ignore so many cancellations."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("nothing there")


async def test_a_lost_cancellation_is_repeated() -> None:
    running = [asyncio.create_task(ignore_cancellations(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await cancel_and_wait(*running, patience=SOON)

    assert [task.cancelled() for task in running] == [True] * 3


async def test_a_previous_failure_is_raised_when_all_have_ended() -> None:
    failed, other = asyncio.create_task(fail()), asyncio.create_task(ignore_cancellations(1))
    await asyncio.sleep(0)

    with pytest.raises(LookupError, match="nothing there"):
        await cancel_and_wait(failed, other, patience=SOON)

    assert other.cancelled()


async def test_cancelling_nothing_returns() -> None:
    await cancel_and_wait()


async def test_work_is_completed_although_its_caller_is_cancelled_repeatedly() -> None:
    released = asyncio.Event()

    async def work() -> str:
        await released.wait()
        return "done"

    caller = asyncio.create_task(complete(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
    released.set()

    assert await caller == "done"
