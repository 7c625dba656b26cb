"""The clock of the cloud in a process, and the time of a task.

Clients see the time of the cloud: in records, expiries, schedules and reports. The clock of the system, which nobody
sets, is used between processes and for the network: leases, retries, deliveries, timeouts and the order of ids.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from pileus.domain.clocks import ClockSetting
from pileus.domain.tasks import Task
from pileus.store import clocks
from pileus.store.database import Tx
from pileus.store.open_transactions import check_may_wait

SECOND = 1_000_000
"""Microseconds."""


class CloudClock:
    """Shows the time of the cloud: that of the system until an operator changes it."""

    def __init__(self, system_now: Callable[[], int], setting: ClockSetting | None = None) -> None:
        self.system_now = system_now
        self.setting = setting or ClockSetting()
        self.sleeping_task_ids: set[str] = set()
        """The tasks of this process that wait until time has passed."""
        self._changed = asyncio.Event()

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        return self.setting.time_at(self.system_now())

    def time_of(self, due_at: int) -> int:
        """Return the time of what is done now but was due before: its own time if the last advance has skipped it."""
        return due_at if self.setting.has_skipped(due_at) else self.now()

    async def read(self, tx: Tx) -> None:
        """Take over the setting in the database, and wake who waits for time to pass."""
        self.setting = await clocks.get_setting(tx)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed on this clock: not while it is frozen, and at once when it is advanced.

        In a task, the wait begins at the time of the task.
        """
        task_time = _CURRENT.get()
        now = self.now() if task_time is None else task_time.now()
        left = round(seconds * SECOND)
        with self._sleeping(task_time):
            while True:
                before, now = now, self.now()
                # When the clock is set back, what has passed before still counts.
                left -= max(0, now - before)
                if left <= 0:
                    break
                await self._wait_for_change(None if self.setting.is_frozen else left / SECOND)
        if task_time is not None:
            task_time.time = now + left

    @contextmanager
    def _sleeping(self, task_time: "TaskTime | None") -> Iterator[None]:
        if task_time is None:
            yield
            return
        self.sleeping_task_ids.add(task_time.task_id)
        try:
            yield
        finally:
            self.sleeping_task_ids.discard(task_time.task_id)

    async def _wait_for_change(self, seconds: float | None) -> None:
        check_may_wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)


class TaskTime:
    """The time of a task: that of the clock, but where an advance has skipped the task, it goes on at its own time."""

    def __init__(self, clock: CloudClock, task: Task) -> None:
        self.task_id = task.id
        self.time = task.created_at
        """The start of the task, or the end of its last wait."""
        self._clock = clock

    def now(self) -> int:
        """Return the time in microseconds since 1970."""
        return self._clock.time_of(self.time)

    def begin(self) -> None:
        """Let the waits of the current asyncio task be those of this task."""
        _CURRENT.set(self)


_CURRENT: ContextVar[TaskTime | None] = ContextVar("task_time", default=None)
