"""Cancel background work."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds after which a cancellation is repeated."""


async def cancel_and_wait(*tasks: asyncio.Task[Any], patience: float = PATIENCE) -> None:
    """Cancel tasks until all have ended; raise the exception of one that had failed.

    One cancellation is not enough: up to Python 3.11 `asyncio.wait_for`, which the database connection pool uses, loses
    a cancellation that arrives at the moment when the awaited result is ready.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=patience)
    for task in tasks:
        if not task.cancelled() and (failure := task.exception()):
            raise failure


async def complete(work: Awaitable[T]) -> T:
    """Await work to its end although the caller is cancelled meanwhile, once or repeatedly."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()
