"""Operations: the steps of a task type, each with its undo, and the writes that end a task."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import Task, TaskType
from pileus.drivers.protocols.compute import Compute
from pileus.store import tasks
from pileus.store.database import Database, T, Tx
from pileus.store.database import Work as Change

A = TypeVar("A", bound=Struct)
A_co = TypeVar("A_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)

CreatedResources = dict[str, list[str | int]]


class LeaseLostError(Exception):
    """Another worker has claimed the task; this worker must not write any more."""


class TaskHeldError(Exception):
    """An injected fault holds the task until the fault is deleted; the task gives its slot back."""

    def __init__(self, fault_id: str) -> None:
        super().__init__(fault_id)
        self.fault_id = fault_id


@dataclass(slots=True)
class TaskContext(Generic[A_co]):
    """A claimed task with its decoded arguments, and what its steps work with.

    `now` returns microseconds since 1970; `lease` is the length of a lease in microseconds. Functions that need no
    arguments take a `TaskContext[object]`.
    """

    task: Task
    args: A_co
    db: Database
    driver: Compute
    catalogue: Catalogue
    now: Callable[[], int]
    lease: int

    async def write(self, change: Change[T]) -> T:
        """Write to the database while this worker holds the lease. Raises LeaseLostError."""

        async def write_with_lease(tx: Tx) -> T:
            if not await tasks.renew_lease(tx, self.task, self.now() + self.lease):
                raise LeaseLostError(self.task.id)
            return await change(tx)

        return await self.db.write(write_with_lease)

    async def save_step(self, *, step: int, undoing: bool = False, error: str | None = None) -> None:
        """Save the number of finished steps, so that another worker can resume there. Raises LeaseLostError."""

        async def write(tx: Tx) -> None:
            await tasks.save_progress(tx, self.task, self.now(), step=step, undoing=undoing, error=error, attempts=0)

        await self.write(write)
        self.task = replace(self.task, step=step, undoing=undoing, error=error, attempts=0)


StepFunction = Callable[[TaskContext[A_contra]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step(Generic[A_contra]):
    """One idempotent action on the driver; `undo` reverts it, also if `do` was interrupted halfway."""

    name: str
    do: StepFunction[A_contra]
    undo: StepFunction[A_contra] | None = None


@dataclass(frozen=True, slots=True)
class Operation(Generic[A]):
    """The steps and completions that tasks of a type run.

    `done` runs after the last step and `failed` after the last undo. Both write to the database, in the transaction
    that ends the task. `done` may return the created resources.
    """

    task_type: TaskType[A]
    steps: tuple[Step[A], ...]
    done: Callable[[Tx, TaskContext[A]], Awaitable[CreatedResources | None]]
    failed: Callable[[Tx, TaskContext[A]], Awaitable[None]]


Operations = Mapping[str, Operation[Any]]
"""Operations by the name of their task type. Each has arguments of its own, which only its own functions read."""
