"""Work that is done again and again in the background."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any


async def repeat(
    work: Callable[[], Awaitable[Any]],
    every: float,
    sleep: Callable[[float], Awaitable[None]],
    log: logging.Logger,
    failed: str,
) -> None:
    """Do it every so many seconds, until cancelled; a failure, told in the log as `failed`, is not the last try."""
    while True:
        try:
            await work()
        except Exception:
            log.exception(failed)
        await sleep(every)
