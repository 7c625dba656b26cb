"""Wait in a request for the end of a task.

The engine of this process notifies at once. A task that another process performs is polled.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.store.database import Database

POLL_INTERVAL = 0.5
"""Seconds between polls for the end of a task of another process."""


class TaskWaiters:
    """The requests of this process that wait for tasks."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    def wake_waiters_of_task(self, task: Task) -> None:
        """Wake the requests that wait for a task that has ended."""
        for event in self._events.get(task.id, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake all waiting requests, because all tasks are gone."""
        for events in self._events.values():
            for event in events:
                event.set()

    @contextmanager
    def subscribe_to_end(self, task_id: str) -> Iterator[asyncio.Event]:
        """Provide an event that is set when the engine of this process ends the task."""
        event = asyncio.Event()
        self._events.setdefault(task_id, set()).add(event)
        try:
            yield event
        finally:
            self._events[task_id].remove(event)
            if not self._events[task_id]:
                del self._events[task_id]

    async def wait_for_task(self, db: Database, task_id: str, patience: float) -> bool:
        """Wait up to `patience` seconds for a task to end; return whether it has ended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        with self.subscribe_to_end(task_id) as event:
            while not (has_ended := await _has_ended(db, task_id)) and (remaining := deadline - loop.time()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(remaining, POLL_INTERVAL))
        return has_ended


async def _has_ended(db: Database, task_id: str) -> bool:
    async with db.read() as tx:
        return await tasks.is_over(tx, task_id)
