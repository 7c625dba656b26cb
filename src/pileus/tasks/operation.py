"""Operations: the steps of a task type, each with its undo, and the writes that end a task."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import Task, TaskType
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.store import tasks
from pileus.store.database import Database, T, Tx
from pileus.store.database import Work as Change
from pileus.store.open_transactions import has_joined
from pileus.store.tasks import LeaseLostError
from pileus.tasks.clocks import CloudClock, TaskTime
from pileus.tasks.pending_changes import PendingChange

A = TypeVar("A", bound=Struct)
A_co = TypeVar("A_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)

CreatedResources = dict[str, list[str | int]]
SAVE_INTERVAL = 50_000
"""Microseconds after a worker's last write in which finished steps are not saved: a crash repeats them."""


PROGRESS = ("step", "last_step", "undoing", "error", "attempts", "waiting_since", "unreachable_since")
"""What a worker saves when it gives a task back."""


class TaskHeldError(Exception):
    """An injected fault holds the task until the fault is deleted; the task gives its slot back."""

    def __init__(self, fault_id: str) -> None:
        super().__init__(fault_id)
        self.fault_id = fault_id


@dataclass(slots=True)
class TaskContext(Generic[A_co]):
    """A claimed task with its decoded arguments, and what its steps work with.

    `time` is the time of the task on the cloud's clock; `lease` is the length of a lease in microseconds,
    `step_names` are those of the operation. A task that is `unsaved` ends in the transaction that starts it, which
    saves it then. Functions that need no arguments take a `TaskContext[object]`.
    """

    task: Task
    args: A_co
    db: Database
    drivers: RegionDrivers
    catalogue: Catalogue
    clock: CloudClock
    lease: int
    step_names: Sequence[str] = ()
    is_unsaved: bool = False

    time: TaskTime = field(init=False)
    pending: PendingChange = field(init=False)
    _written_at: int = field(init=False)
    _read_results: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pending = PendingChange(self._write_unless_lost, SAVE_INTERVAL / 1_000_000)
        self.time = TaskTime(self.clock, self.task)
        self._written_at = self.clock.system_now()

    @property
    def driver(self) -> Compute:
        """The driver of the task's region. Raises DriverError for a task of no region."""
        return self.drivers.require(self.task.region_id)

    def now(self) -> int:
        """Return the time of the task in microseconds since 1970."""
        return self.time.now()

    @property
    def needs_no_save(self) -> bool:
        """Whether nothing is lost, or little, if the work so far has to be repeated.

        That is so in an open transaction, and if the worker has just written.
        """
        return has_joined() or self.clock.system_now() - self._written_at < SAVE_INTERVAL

    async def write(self, change: Change[T]) -> T:
        """Write to the database while this worker holds the lease. Raises LeaseLostError."""

        async def write_with_lease(tx: Tx) -> T:
            if not await tasks.renew_lease(tx, self.task, self.clock.system_now() + self.lease):
                raise LeaseLostError(self.task.id)
            return await change(tx)

        result = await self.db.write(write_with_lease)
        self._note_write()
        return result

    async def read_once(self, name: str, read: Change[T]) -> T:
        """Return what `read` reads; read again when the worker writes, or has not written for SAVE_INTERVAL."""
        if name not in self._read_results or not self.needs_no_save:
            async with self.db.read() as tx:
                self._read_results[name] = await read(tx)
        result: T = self._read_results[name]
        return result

    def _note_write(self) -> None:
        self._written_at = self.clock.system_now()
        self._read_results.clear()

    async def _write_unless_lost(self, change: Change[None]) -> None:
        with suppress(LeaseLostError):
            await self.write(change)

    async def finish_step(self) -> None:
        """Count a finished step, and save that unless the worker has just written. Raises LeaseLostError."""
        if self.needs_no_save:
            self._go_to_step(self.task.step + 1)
        else:
            await self.save_step(step=self.task.step + 1)

    async def save_step(self, *, step: int, undoing: bool = False, error: str | None = None) -> None:
        """Save the number of finished steps, so that another worker can resume there. Raises LeaseLostError."""
        self._go_to_step(step, undoing=undoing, error=error)
        if not await self.save_progress(lease_until=self.clock.system_now() + self.lease):
            raise LeaseLostError(self.task.id)

    def _go_to_step(self, step: int, **changes: Any) -> None:
        """Count a step, with which attempts and waits begin anew."""
        last_step = self.step_names[step - 1] if 0 < step <= len(self.step_names) else None
        begin = {"attempts": 0, "waiting_since": None, "unreachable_since": None}
        self.task = replace(self.task, step=step, last_step=last_step, **begin, **changes)

    async def save_progress(self, **changes: object) -> bool:
        """Save the finished steps and the pending change; False, and nothing written, if the lease is lost."""
        task, change = self.task, self.pending.take()
        progress = {name: getattr(task, name) for name in PROGRESS}

        async def write(tx: Tx) -> bool:
            is_saved = await tasks.save_progress(tx, task, self.now(), **{**progress, **changes})
            if is_saved and change is not None:
                await change(tx)
            return is_saved

        is_saved = await self.db.write(write)
        self._note_write()
        return is_saved


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

    @property
    def step_names(self) -> Sequence[str]:
        """The names of the steps, in their order."""
        return [step.name for step in self.steps]

    def find_step(self, task: Task) -> int:
        """Return the number of steps of a task that are finished, or still to be undone.

        The version that saved them may have had other steps, so their last name counts, if there is such a step.
        """
        if task.last_step in self.step_names:
            return self.step_names.index(task.last_step) + 1
        return min(task.step, len(self.steps))


Operations = Mapping[str, Operation[Any]]
"""Operations by the name of their task type. Each has arguments of its own, which only its own functions read."""
