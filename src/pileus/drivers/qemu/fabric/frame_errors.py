"""Errors while frames are handled: they are counted by kind, and logged at intervals, however many frames there are."""

import asyncio
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

LOG = logging.getLogger(__name__)
LOG_INTERVAL = 600.0
"""Seconds between two entries in the log about errors of one kind."""
Endpoint = TypeVar("Endpoint")


class ErrorCounter:
    """Counts unexpected errors by kind: the type, and the line of code that raised it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._next_log: dict[str, float] = {}

    def guarded(self, handle: Callable[[Endpoint, bytes], None]) -> Callable[[Endpoint, bytes], None]:
        """Return a handler of frames that counts the errors of `handle`."""

        def handle_frame(endpoint: Endpoint, frame: bytes) -> None:
            try:
                handle(endpoint, frame)
            except Exception as problem:  # noqa: BLE001  # a frame must not disturb those of other machines
                self.count(problem)

        return handle_frame

    def count(self, problem: BaseException) -> None:
        """Count an error. Log it unless one of its kind was logged a short time ago."""
        kind = _kind_of(problem)
        self.counts[kind] += 1
        now = self._clock()
        if now >= self._next_log.get(kind, now):
            self._next_log[kind] = now + LOG_INTERVAL
            LOG.error("%s, the error number %d of this kind", kind, self.counts[kind], exc_info=problem)

    def count_in_loop(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count an error that the event loop reports."""
        self.count(context.get("exception") or RuntimeError(context["message"]))


def _kind_of(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__, limit=-1)
    place = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in frames)
    return f"{type(problem).__name__}{place}"
