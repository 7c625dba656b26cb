"""Stopping what works in the background."""

import asyncio
from typing import Any

PATIENCE = 1.0
"""Seconds until a cancellation is taken for lost."""


async def cancel_and_wait(*working: asyncio.Task[Any], patience: float = PATIENCE) -> None:
    """Cancel tasks until all have ended; raises what one of them had failed with.

    Once is not enough: up to Python 3.11 `asyncio.wait_for`, by which the pool of database connections waits, loses a
    cancellation that comes in the moment when what it waits for is there.
    """
    left = set(working)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=patience)
    for task in working:
        if not task.cancelled() and (failure := task.exception()):
            raise failure
