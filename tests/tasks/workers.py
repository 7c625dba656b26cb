"""Engines for tests: with a manual clock, and operations that record what they do."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from msgspec import Struct

from pileus.domain.tasks import SlotClass, Task, TaskType, queue_name
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.simulated.driver import Simulated
from pileus.store import counters, tasks
from pileus.store.database import Database, Migration, T, Tx
from pileus.store.database import Work as Change
from pileus.store.secrets import SecretBox
from pileus.tasks.clocks import CloudClock
from pileus.tasks.engine import Engine
from pileus.tasks.operation import CreatedResources, Operation, Step, StepFunction, TaskContext
from tests.domain.builders import NOW, the_catalogue
from tests.simulated_cloud import drivers_of_regions

LEASE = 15_000_000
NUMBERS = count(1)


class NoArgs(Struct, frozen=True):
    """The arguments of recorded operations."""


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    time: int = NOW

    def __call__(self) -> int:
        """Return the time in microseconds."""
        return self.time

    def advance(self, microseconds: int) -> None:
        """Set the clock forward."""
        self.time += microseconds


def a_task(task_type: str = "try_it", **changes: Any) -> Task:
    """Return a new task."""
    number = next(NUMBERS)
    fields = {"id": f"task-{number}", "client_id": 1, "user_id": 1, "project_id": 1, "region_id": 1, **changes}
    fields.setdefault("queue", queue_name(fields["client_id"], fields["region_id"]))
    return Task(**{"task_type": task_type, "created_at": NOW + number, **fields})


@dataclass(slots=True)
class Journal:
    """Records what operations do, in order; a test may make a line fail or run a callback at it."""

    lines: list[str] = field(default_factory=list)
    failures: dict[str, list[BaseException]] = field(default_factory=dict)
    callbacks: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def fail(self, line: str, *errors: BaseException) -> None:
        """Raise the `errors`, one each time that the line is recorded."""
        self.failures[line] = list(errors)

    async def record(self, line: str) -> None:
        """Record a line, await its callback once, and raise its next error."""
        self.lines.append(line)
        if callback := self.callbacks.pop(line, None):
            await callback()
        if self.failures.get(line):
            raise self.failures[line].pop(0)

    def step(self, name: str, *, undo: bool = True) -> Step[NoArgs]:
        """Return a step that records its name, and `undo` with its name."""
        return Step(name, self._step_function(name), self._step_function(f"undo {name}") if undo else None)

    def _step_function(self, line: str) -> StepFunction[NoArgs]:
        async def do(_: TaskContext[NoArgs]) -> None:
            await self.record(line)

        return do

    def operation(self, *steps: Step[NoArgs], task_type: str = "try_it") -> Operation[NoArgs]:
        """Return an operation that records its end, and counts it in the database."""

        async def done(tx: Tx, _: TaskContext[NoArgs]) -> CreatedResources:
            await counters.increment(tx, "done")
            await self.record("done")
            return {"instances": ["i-1"]}

        async def fail(tx: Tx, _: TaskContext[NoArgs]) -> None:
            await counters.increment(tx, "failed")
            await self.record("failed")

        return Operation(TaskType(task_type, NoArgs), steps, done, fail)

    def steps(self, *names: str) -> Operation[NoArgs]:
        """Return an operation of recorded steps."""
        return self.operation(*map(self.step, names))


@dataclass(slots=True)
class FlakyDatabase:
    """A database of which the next writes or reads fail."""

    db: Database
    failing_writes: int = 0
    failing_reads: int = 0

    async def write(self, work: Change[T]) -> T:
        """Write, or fail."""
        if self.failing_writes:
            self.failing_writes -= 1
            raise ConnectionError("The database is away")
        return await self.db.write(work)

    async def write_alone(self, work: Change[T]) -> T:
        """Write, or fail."""
        return await self.write(work)

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Read, or fail."""
        if self.failing_reads:
            self.failing_reads -= 1
            raise ConnectionError("The database is away")
        return self.db.read()

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Scan, or fail as a read."""
        if self.failing_reads:
            self.failing_reads -= 1
            raise ConnectionError("The database is away")
        return self.db.scan()

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Migrate."""
        await self.db.migrate(migrations)

    @property
    def secrets(self) -> SecretBox:
        """Return the encryption of the database."""
        return self.db.secrets

    @property
    def columns_statement(self) -> str:
        """Return the statement of the database."""
        return self.db.columns_statement

    async def erase_deleted_content(self) -> None:
        """Erase."""
        await self.db.erase_deleted_content()

    async def close(self) -> None:
        """Close."""
        await self.db.close()


class CountingDatabase(FlakyDatabase):
    """A database that counts its transactions."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.counts = {"read": 0, "scan": 0, "write": 0}

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Count a read."""
        self.counts["read"] += 1
        return self.db.read()

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Count a scan."""
        self.counts["scan"] += 1
        return self.db.scan()

    async def write(self, work: Change[T]) -> T:
        """Count a write."""
        self.counts["write"] += 1
        return await self.db.write(work)


@dataclass(slots=True)
class Workbench:
    """The environment of a worker: a database, a driver, a manual clock, and a journal."""

    db: Database
    driver: Simulated
    clock: Clock = field(default_factory=Clock)
    journal: Journal = field(default_factory=Journal)
    cloud_clock: CloudClock = field(init=False)

    def __post_init__(self) -> None:
        self.cloud_clock = CloudClock(self.clock)

    def engine(self, *operations: Operation[Any], **changes: Any) -> Engine:
        """Return an engine for these operations."""
        tokens = (f"token-{next(NUMBERS)}" for _ in count())
        fields = {"lease": LEASE, "db": self.db, "drivers": drivers_of_regions(self.driver), **changes}
        return Engine(
            operations={operation.task_type.name: operation for operation in operations},
            catalogue=the_catalogue(),
            clock=self.cloud_clock,
            new_id=lambda: next(tokens),
            **fields,
        )

    async def advance(self, seconds: float) -> None:
        """Set the clock forward; a callback of the journal."""
        self.clock.advance(int(seconds * 1_000_000))

    def context(self, task: Task) -> TaskContext[NoArgs]:
        """Return the context of a claimed task."""
        return TaskContext(
            task, NoArgs(), self.db, drivers_of_regions(self.driver), the_catalogue(), self.cloud_clock, LEASE
        )

    async def add_tasks(self, *new_tasks: Task) -> Task:
        """Save new tasks, and return the first."""
        for task in new_tasks:
            await self.db.write(lambda tx, task=task: tasks.add(tx, task))  # type: ignore[misc]
        return new_tasks[0]

    async def claim(self, token: str) -> Task | None:
        """Claim a task of any queue as a worker does."""
        now, quick = self.clock(), SlotClass.QUICK

        async def claim(tx: Tx) -> Task | None:
            queue = await tasks.find_next_queue(tx, quick, "", now)
            if queue is None:
                return None
            return await tasks.claim(tx, quick, queue, tasks.Lease(token, now, now + LEASE), now)

        return await self.db.write(claim)

    async def reload(self, task: Task) -> Task:
        """Return the task as it is saved."""
        async with self.db.read() as tx:
            return await tasks.get(tx, task.client_id, task.id)

    async def end_counts(self) -> dict[str, int]:
        """Return how often operations of the journal have ended as `done` and as `failed`."""
        async with self.db.read() as tx:
            return {name: int(value) for name, value in await tx.all("SELECT name, value FROM counters ORDER BY name")}

    async def run_with_retries(self, *engines: Engine, rounds: int = 12) -> None:
        """Run engines until idle and advance the clock past the next retry, again and again."""
        for _ in range(rounds):
            for engine in engines:
                await engine.run_until_idle()
            self.clock.advance(60_000_000)


def retryable_error(message: str = "busy") -> DriverError:
    """Return a failure that may be retried."""
    return DriverError(message, retryable=True)


def final_error(message: str = "broken") -> DriverError:
    """Return a failure that must not be retried."""
    return DriverError(message, retryable=False)
