"""Engines for tests: with a clock that is set by hand, and operations that keep a journal."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.simulated.driver import Simulated
from pileus.store import counters, tasks
from pileus.store.database import Database, Migration, T, Tx
from pileus.store.database import Work as Change
from pileus.tasks.engine import Engine
from pileus.tasks.operation import Created, Do, Operation, Step, TaskContext
from tests.domain.builders import NOW, the_catalogue

LEASE = 15_000_000
NUMBERS = count(1)


@dataclass(slots=True)
class Clock:
    """A time that passes when a test says so."""

    time: int = NOW

    def __call__(self) -> int:
        """The time."""
        return self.time

    def pass_by(self, microseconds: int) -> None:
        """Let time pass."""
        self.time += microseconds


def a_task(task_type: str = "try_it", **changes: Any) -> Task:
    """A task that waits."""
    number = next(NUMBERS)
    facts = {"id": f"task-{number}", "client_id": 1, "user_id": 1, "project_id": 1, "region_id": 1}
    return Task(**{**facts, "task_type": task_type, "created_at": NOW + number, **changes})


def a_driver(folder: Path) -> Simulated:
    """Machines of a test's own."""
    return Simulated(folder / "machines.db")


@dataclass(slots=True)
class Journal:
    """What has been done, in order; `failing` says what raises, by the words of the journal, and how often."""

    lines: list[str] = field(default_factory=list)
    failing: dict[str, list[BaseException]] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def fail(self, line: str, *errors: BaseException) -> None:
        """Raise each of `errors` in turn when `line` is to be done."""
        self.failing[line] = list(errors)

    async def note(self, line: str) -> None:
        """Do a line: note it, let happen what is to happen meanwhile, and raise what is to be raised."""
        self.lines.append(line)
        if happening := self.meanwhile.pop(line, None):
            await happening()
        if self.failing.get(line):
            raise self.failing[line].pop(0)

    def doing(self, line: str) -> Do:
        """A step's work."""

        async def do(_: TaskContext) -> None:
            await self.note(line)

        return do

    def step(self, name: str, *, undo: bool = True) -> Step:
        """A step that notes its name, and its undoing."""
        return Step(name, self.doing(name), self.doing(f"undo {name}") if undo else None)

    def operation(self, *steps: Step, task_type: str = "try_it") -> Operation:
        """An operation that notes how it ends, and counts it in the database."""

        async def done(tx: Tx, _: TaskContext) -> Created | None:
            await counters.next_value(tx, "done")
            await self.note("done")
            return {"instances": ["i-1"]}

        async def failed(tx: Tx, _: TaskContext) -> None:
            await counters.next_value(tx, "failed")
            await self.note("failed")

        return Operation(task_type, steps, done, failed)

    def steps(self, *names: str) -> Operation:
        """An operation of plain steps."""
        return self.operation(*map(self.step, names))


@dataclass(slots=True)
class Flaky:
    """A database that is away for so many writes, or looks."""

    db: Database
    failures: int = 0
    blind: int = 0

    async def write(self, work: Change[T]) -> T:
        """Write, or not."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError("The database is away")
        return await self.db.write(work)

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Read, or not."""
        if self.blind:
            self.blind -= 1
            raise ConnectionError("The database is away")
        return self.db.read()

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Scan."""
        return self.db.scan()

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Migrate."""
        await self.db.migrate(migrations)

    async def close(self) -> None:
        """Close."""
        await self.db.close()


@dataclass(slots=True)
class Stage:
    """Where workers work: a database, a clock that is set by hand, machines, and a journal."""

    db: Database
    driver: Simulated
    clock: Clock = field(default_factory=Clock)
    journal: Journal = field(default_factory=Journal)

    def engine(self, *operations: Operation, **changes: Any) -> Engine:
        """A worker that knows some operations."""
        known: Mapping[str, Operation] = {operation.task_type: operation for operation in operations}
        tokens = (f"token-{next(NUMBERS)}" for _ in count())
        facts = {"lease": LEASE, "db": self.db, **changes}
        return Engine(
            operations=known,
            driver=self.driver,
            catalogue=the_catalogue(),
            now=self.clock,
            new_id=lambda: next(tokens),
            **facts,
        )

    async def waiting(self, *fresh: Task) -> Task:
        """Write tasks down; the first of them."""
        for task in fresh:
            await self.db.write(lambda tx, task=task: tasks.add(tx, task))  # type: ignore[misc]
        return fresh[0]

    async def claimed(self, token: str) -> Task | None:
        """Claim a task as a worker does."""
        until = self.clock() + LEASE
        return await self.db.write(lambda tx: tasks.claim(tx, token, self.clock(), until))

    async def now_of(self, task: Task) -> Task:
        """The task as it is written down."""
        async with self.db.read() as tx:
            return await tasks.get(tx, task.client_id, task.id)

    async def ended(self) -> dict[str, int]:
        """How many tasks were written down as done and as failed by their operations."""
        async with self.db.read() as tx:
            return {name: int(value) for name, value in await tx.all("SELECT name, value FROM counters ORDER BY name")}

    async def settled(self, *engines: Engine, rounds: int = 12) -> None:
        """Let workers work, and time pass, until all is done that may be tried again."""
        for _ in range(rounds):
            for engine in engines:
                await engine.run_until_idle()
            self.clock.pass_by(60_000_000)


def passing(message: str = "busy") -> DriverError:
    """A failure that may pass."""
    return DriverError(message, retryable=True)


def lasting(message: str = "broken") -> DriverError:
    """A failure that stays."""
    return DriverError(message, retryable=False)
