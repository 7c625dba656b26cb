"""What an operation is: steps, each with its undo, and what is written when all is done or all is undone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import Compute
from pileus.store import tasks
from pileus.store.database import Database, T, Tx
from pileus.store.database import Work as Change

Created = dict[str, list[str | int]]


class LeaseLostError(Exception):
    """Another worker has taken the task over: this one writes nothing more."""


@dataclass(slots=True)
class TaskContext:
    """A task in a worker's hands."""

    task: Task
    db: Database
    driver: Compute
    catalogue: Catalogue
    now: Callable[[], int]
    lease: int
    """Microseconds."""

    async def write(self, change: Change[T]) -> T:
        """Write to the database, as long as the task is this worker's; raises LeaseLostError."""

        async def guarded(tx: Tx) -> T:
            if not await tasks.renew_lease(tx, self.task, self.now() + self.lease):
                raise LeaseLostError(self.task.id)
            return await change(tx)

        return await self.db.write(guarded)

    async def save_step(self, *, step: int, undoing: bool = False, error: str | None = None) -> None:
        """Write down how far the task has come, so that a crash does not lose it; raises LeaseLostError."""

        async def write(tx: Tx) -> None:
            await tasks.save_progress(tx, self.task, self.now(), step=step, undoing=undoing, error=error, attempts=0)

        await self.write(write)
        self.task = replace(self.task, step=step, undoing=undoing, error=error, attempts=0)


Do = Callable[[TaskContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """Work with the world outside, repeatable; `undo` leaves it as it was, whether `do` came to its end or not."""

    name: str
    do: Do
    undo: Do | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One task type; `done` and `failed` write what has become of things, in the transaction of the task's end."""

    task_type: str
    steps: tuple[Step, ...]
    done: Callable[[Tx, TaskContext], Awaitable[Created | None]]
    failed: Callable[[Tx, TaskContext], Awaitable[None]]
