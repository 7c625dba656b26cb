"""How many tasks are unfinished and wait: measured at most once a second, because anybody may ask how a server is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pileus.domain.tasks import QueueFigures, UnfinishedTasks
from pileus.store import tasks
from pileus.store.database import Database

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
    now: Callable[[], int]
    _latest: TaskFigures | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def measure(self) -> TaskFigures:
        """Return the figures of the last second, or new ones."""
        async with self._lock:
            now = self.now()
            if self._latest is None or not 0 <= now - self._latest.measured_at < MAX_AGE:
                async with self.db.scan() as tx:
                    self._latest = TaskFigures(
                        await tasks.measure_unfinished(tx), await tasks.measure_queues(tx, now), now
                    )
            return self._latest
