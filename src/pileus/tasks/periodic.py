"""Repeat background work, and log its failures."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pileus.domain.errors import Unavailable
from pileus.drivers.protocols.errors import DriverUnreachable


class FailureLog:
    """The log lines of one source of failures: a part of the server that is away is logged once, until it is back."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._is_away = False

    def add(self, failure: Exception, **fields: object) -> None:
        """Log a failure, unless the previous attempts failed because the same part was away."""
        is_away = isinstance(failure, Unavailable | DriverUnreachable)
        if not is_away:
            self._log.error(self._message, exc_info=failure, extra=fields)
        elif not self._is_away:
            self._log.warning(self._message, extra={**fields, "reason": str(failure)})
        self._is_away = is_away

    def clear(self) -> None:
        """Record a success: the next failure is logged again."""
        self._is_away = False


async def repeat(
    action: Callable[[], Awaitable[Any]],
    interval: float,
    sleep: Callable[[float], Awaitable[None]],
    log: logging.Logger,
    failure_message: str,
) -> None:
    """Run `action` every `interval` seconds until cancelled; failures are logged."""
    failures = FailureLog(log, failure_message)
    while True:
        try:
            await action()
        except Exception as failure:  # noqa: BLE001  # logged; the next run may succeed
            failures.add(failure)
        else:
            failures.clear()
        await sleep(interval)
