"""Lets a request wait for the end of a task: told at once by this process's engine, looked for if another has it."""

import asyncio
from contextlib import suppress

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.store.database import Database

LOOK_AGAIN = 0.5
"""Seconds between looks for the end of a task that another process may have."""


class TaskWaiters:
    """Who waits for which task."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def notify(self, task: Task) -> None:
        """Say that a task has ended."""
        if event := self._waiting.get(task.id):
            event.set()

    async def wait(self, db: Database, task_id: str, patience: float) -> bool:
        """Return when a task has ended, or when seconds of `patience` have passed; whether it has ended."""
        loop, told = asyncio.get_running_loop(), self._waiting.setdefault(task_id, asyncio.Event())
        until = loop.time() + patience
        try:
            while not (ended := await _ended(db, task_id)) and (left := until - loop.time()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), min(left, LOOK_AGAIN))
        finally:
            self._waiting.pop(task_id, None)
        return ended


async def _ended(db: Database, task_id: str) -> bool:
    async with db.read() as tx:
        return await tasks.has_ended(tx, task_id)
