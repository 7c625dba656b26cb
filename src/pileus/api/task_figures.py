"""How many tasks are unfinished and wait: measured at most once a second, because anybody may ask how a server is."""

import asyncio
from dataclasses import dataclass, field

from pileus.domain.tasks import QueueFigures, UnfinishedTasks
from pileus.store import tasks
from pileus.store.database import Database
from pileus.tasks.clocks import CloudClock

MAX_AGE = 1_000_000
"""Microseconds for which measured figures are used again."""


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """The unfinished tasks by type and state, the waiting ones by slot class, and the time of the measurement."""

    unfinished: list[UnfinishedTasks]
    queues: dict[str, QueueFigures]
    measured_at: int

    @property
    def unfinished_count(self) -> int:
        """The number of unfinished tasks."""
        return sum(group.count for group in self.unfinished)


@dataclass(slots=True)
class TaskMeter:
    """Measures the tasks of all tenants."""

    db: Database
    clock: CloudClock
    _latest: TaskFigures | None = None
    _measured_at: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def measure(self) -> TaskFigures:
        """Return the figures of the last second, or new ones."""
        async with self._lock:
            system_now = self.clock.system_now()
            if self._latest is None or not 0 <= system_now - self._measured_at < MAX_AGE:
                self._measured_at = system_now
                async with self.db.scan() as tx:
                    queues = await tasks.measure_queues(tx, system_now)
                    self._latest = TaskFigures(await tasks.measure_open_tasks(tx), queues, self.clock.now())
            return self._latest
