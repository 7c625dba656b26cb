"""Start processes again that have ended."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from pileus.drivers.protocols.errors import DriverError

LOG = logging.getLogger(__name__)
RETRY_INTERVAL = 10.0
"""Seconds between two attempts to start a process again."""


class Restarts:
    """Starts processes of one kind again; one that fails waits before the next try."""

    def __init__(self, kind: str) -> None:
        self._kind, self._id = kind, f"{kind.replace(' ', '_')}_id"
        self._retry_times: dict[str, float] = {}

    async def restart_ended(self, ended_ids: Iterable[str], start_again: Callable[[str], Awaitable[None]]) -> None:
        """Start again what has ended."""
        now = time.monotonic()
        self._retry_times = {name: retry_time for name, retry_time in self._retry_times.items() if retry_time > now}
        for name in ended_ids:
            if name in self._retry_times:
                continue
            try:
                await start_again(name)
            except (DriverError, OSError) as problem:
                LOG.warning("A %s could not be started again", self._kind, extra={self._id: name, "why": str(problem)})
            self._retry_times[name] = time.monotonic() + RETRY_INTERVAL
