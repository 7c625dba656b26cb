"""Wait in a request for the end of a task.

The engine of this process notifies at once; a task that another process performs is polled.
"""

import asyncio
from contextlib import suppress

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.store.database import Database

POLL_INTERVAL = 0.5
"""Seconds between polls for the end of a task of another process."""


class TaskWaiters:
    """The requests of this process that wait for tasks."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def wake_waiters_of_task(self, task: Task) -> None:
        """Wake the requests that wait for a task that has ended."""
        if event := self._events.get(task.id):
            event.set()

    async def wait_for_task(self, db: Database, task_id: str, patience: float) -> bool:
        """Wait up to `patience` seconds for a task to end; return whether it has ended."""
        loop, event = asyncio.get_running_loop(), self._events.setdefault(task_id, asyncio.Event())
        deadline = loop.time() + patience
        try:
            while not (has_ended := await _has_ended(db, task_id)) and (remaining := deadline - loop.time()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(remaining, POLL_INTERVAL))
        finally:
            self._events.pop(task_id, None)
        return has_ended


async def _has_ended(db: Database, task_id: str) -> bool:
    async with db.read() as tx:
        return await tasks.is_over(tx, task_id)
