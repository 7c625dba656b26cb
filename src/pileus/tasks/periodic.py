"""Repeat background work."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any


async def repeat(
    action: Callable[[], Awaitable[Any]],
    interval: float,
    sleep: Callable[[float], Awaitable[None]],
    log: logging.Logger,
    failure_message: str,
) -> None:
    """Run `action` every `interval` seconds until cancelled; failures are logged."""
    while True:
        try:
            await action()
        except Exception:
            log.exception(failure_message)
        await sleep(interval)
