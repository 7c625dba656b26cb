"""What works in the background ends when it is to, even if it hears of it badly."""

import asyncio
from contextlib import suppress

import pytest

from pileus.tasks.cancellation import cancel_and_wait

SOON = 0.01


async def deaf(times: int) -> None:
    """Work on, however often it is told to end."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("nothing there")


async def test_work_that_does_not_hear_is_told_again() -> None:
    working = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await cancel_and_wait(*working, patience=SOON)

    assert [task.cancelled() for task in working] == [True] * 3


async def test_what_had_failed_before_is_told_when_all_has_ended() -> None:
    failed, other = asyncio.create_task(fail()), asyncio.create_task(deaf(1))
    await asyncio.sleep(0)

    with pytest.raises(LookupError, match="nothing there"):
        await cancel_and_wait(failed, other, patience=SOON)

    assert other.cancelled()


async def test_nothing_to_stop_is_soon_stopped() -> None:
    await cancel_and_wait()
