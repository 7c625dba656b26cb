"""Several requests to a driver, or of one, at once and within bounds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def run_for_each(action: Callable[[T], Awaitable[None]], items: Iterable[T], *, at_once: int) -> None:
    """Run an action for each item. The first failure cancels what is under way, and is raised when that has ended."""
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            await action(item)

    workers = [asyncio.create_task(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
