"""Long polling of tasks: a request that reads an unfinished task is answered when the task ends, or after a short time.

A waiting request is a coroutine: it occupies no thread and no transaction. The database is read when the wait begins
and when it ends, and not between. So the end of a task of another process is seen when the wait is over.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.store.database import Database
from pileus.tasks.completion import TaskWaiters

MAX_POLLS, MAX_POLLS_OF_CLIENT = 1024, 128
"""Requests of this process that wait at the same time, and those of one client. Further ones do not wait."""


class LongPolls:
    """The requests of this process that wait to read a task; `seconds` is the longest wait, and 0 turns it off."""

    def __init__(self, waiters: TaskWaiters, seconds: float) -> None:
        self._waiters, self._seconds = waiters, seconds
        self._events: set[asyncio.Event] = set()
        self._count_by_client: Counter[int] = Counter()

    def stop(self) -> None:
        """Answer the waiting requests at once; later requests do not wait."""
        self._seconds = 0
        for event in self._events:
            event.set()

    async def read_task(self, db: Database, client_id: int, task_id: str) -> Task:
        """Return a task of a client, after a wait for its end unless it has ended. Raises NotFound."""
        # Subscribe before the read: the task can end between the two.
        with self._waiters.subscribe_to_end(task_id) as event:
            task = await _read(db, client_id, task_id)
            if task.has_ended or not self._may_wait(client_id):
                return task
            with self._counted(client_id, event), suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), self._seconds)
        return await _read(db, client_id, task_id)

    def _may_wait(self, client_id: int) -> bool:
        has_room = len(self._events) < MAX_POLLS and self._count_by_client[client_id] < MAX_POLLS_OF_CLIENT
        return self._seconds > 0 and has_room

    @contextmanager
    def _counted(self, client_id: int, event: asyncio.Event) -> Iterator[None]:
        self._events.add(event)
        self._count_by_client[client_id] += 1
        try:
            yield
        finally:
            self._events.remove(event)
            self._count_by_client[client_id] -= 1
            if not self._count_by_client[client_id]:
                del self._count_by_client[client_id]


async def _read(db: Database, client_id: int, task_id: str) -> Task:
    async with db.read() as tx:
        return await tasks.get(tx, client_id, task_id)
