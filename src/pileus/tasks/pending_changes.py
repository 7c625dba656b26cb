"""Changes that are written only if they last: what a task shows of itself while it runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pileus.store.database import Work
from pileus.store.open_transactions import has_joined

LOG = logging.getLogger(__name__)


class PendingChange:
    """The newest change that waits to be written; `write` is called `delay` seconds after the first one was set."""

    def __init__(self, write: Callable[[Work[None]], Awaitable[None]], delay: float) -> None:
        self._write, self._delay = write, delay
        self._change: Work[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    def set(self, change: Work[None]) -> None:
        """Write the change soon, in place of an earlier one: not in a joined transaction, where nobody sees it."""
        if has_joined():
            return
        self._change = change
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._start_writing)

    def take(self) -> Work[None] | None:
        """Return the change that waits, if there is one: the caller writes it."""
        if self._timer is not None:
            self._timer.cancel()
        change, self._change, self._timer = self._change, None, None
        return change

    def close(self) -> None:
        """Drop the change that waits."""
        self.take()
        if self._writing is not None:
            self._writing.cancel()

    def _start_writing(self) -> None:
        if (change := self.take()) is not None:
            self._writing = asyncio.ensure_future(self._write(change))
            self._writing.add_done_callback(_log_failure)


def _log_failure(writing: asyncio.Future[None]) -> None:
    if not writing.cancelled() and (failure := writing.exception()) is not None:
        LOG.warning("The progress of a task could not be shown", exc_info=failure)
