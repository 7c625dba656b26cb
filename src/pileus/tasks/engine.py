"""Carries tasks out: claims them by a lease, does their steps, undoes them when one fails, and outlives crashes.

A worker holds a task by a token and a lease that it prolongs while it works. After each step it writes down how far it
has come. When it dies the lease runs out, another worker claims the task and goes on after the last step that was
written down; the step that was under way is done again, which is why every step can be repeated. Nothing holds a
transaction while a driver works, and a worker that has lost its lease can write nothing.

A step that fails is tried again after growing pauses, if that may help; else what has begun is undone, last step first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import Problem, Stale, Unavailable
from pileus.domain.tasks import Task, TaskState
from pileus.drivers.protocols.compute import Compute, DriverError
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.operation import LeaseLostError, Operation, TaskContext

LOG = logging.getLogger(__name__)
AT_ONCE = 32
TRIES = 5
FIRST_PAUSE = 500_000
"""Microseconds before a step is tried again; doubled each time."""
LOOK_AGAIN = 0.5
"""Seconds between looks for tasks that other processes have left."""


class FaultInjector(Protocol):
    """Somebody who may hold a task up before a step, or make the step fail."""

    async def before(self, task: Task, step: str, *, first: bool) -> None:
        """Return when the step may go on; raises DriverError to make it fail."""


Ended = Callable[[Task, str], None]


@dataclass(slots=True)
class Engine:
    """A worker of this process; `run` works until cancelled, `settle` until nothing is left to do."""

    db: Database
    operations: Mapping[str, Operation]
    driver: Compute
    catalogue: Catalogue
    now: Callable[[], int]
    new_id: Callable[[], str]
    lease: int = 15_000_000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    interference: FaultInjector | None = None
    ended: Ended | None = None
    _nudged: asyncio.Event = field(default_factory=asyncio.Event)
    _working: set[asyncio.Task[None]] = field(default_factory=set)

    def nudge(self) -> None:
        """Say that a task may be waiting."""
        self._nudged.set()

    async def run(self) -> None:
        """Claim and perform tasks, many at once, until cancelled; unfinished ones are left for the next worker."""
        try:
            while True:
                self._nudged.clear()
                await self._take_up()
                await self._wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop what is being performed; its tasks wait for whoever claims them next."""
        await cancel_and_wait(*self._working)

    async def run_until_idle(self) -> None:
        """Perform every task that is waiting, one after the other."""
        while task := await self._claim():
            await self.perform(task)

    async def _take_up(self) -> None:
        try:
            while len(self._working) < AT_ONCE and (task := await self._claim()):
                self._start(task)
        except Exception:
            LOG.exception("No task could be claimed")

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN):
                await self._nudged.wait()
        except TimeoutError:
            return

    def _start(self, task: Task) -> None:
        performing = asyncio.create_task(self._guarded(task), name=f"task-{task.id}")
        self._working.add(performing)
        performing.add_done_callback(self._finished)

    def _finished(self, performing: asyncio.Task[None]) -> None:
        self._working.discard(performing)
        self.nudge()

    async def _claim(self) -> Task | None:
        now = self.now()
        async with self.db.read() as tx:
            if not await tasks.has_claimable(tx, now):
                return None
        return await self.db.write(lambda tx: tasks.claim(tx, self.new_id(), now, now + self.lease))

    async def _guarded(self, task: Task) -> None:
        try:
            await self.perform(task)
        except Exception:
            LOG.exception("Task left for another try", extra={"task_id": task.id, "task_type": task.task_type})

    async def perform(self, task: Task) -> None:
        """Bring a claimed task forward until it ends, is to be tried later, or is lost to another worker."""
        work = TaskContext(task, self.db, self.driver, self.catalogue, self.now, self.lease)
        heartbeat = asyncio.create_task(self._keep(work))
        try:
            await self._carry_on(self.operations[task.task_type], work)
        except LeaseLostError:
            LOG.warning("Another worker took the task over", extra={"task_id": task.id})
        except asyncio.CancelledError:
            await asyncio.shield(self._let_go(work, pause=0))
            raise
        finally:
            heartbeat.cancel()

    async def _keep(self, work: TaskContext) -> None:
        held = True
        while held:
            await self.sleep(self.lease / 3_000_000)
            held = await self._prolonged(work)

    async def _prolonged(self, work: TaskContext) -> bool:
        try:
            return await self.db.write(lambda tx: tasks.renew_lease(tx, work.task, self.now() + self.lease))
        except Exception:
            LOG.exception("A lease could not be prolonged", extra={"task_id": work.task.id})
            return True

    async def _carry_on(self, operation: Operation, work: TaskContext) -> None:
        if not work.task.undoing:
            failure = await self._forward(operation, work) or await self._finish(operation, work)
            if failure is None or await self._again_later(work, failure):
                return
            LOG.warning("Task failed", extra={"task_id": work.task.id, "error": _told(failure)}, exc_info=failure)
            begun = min(work.task.step + 1, len(operation.steps))
            await work.save_step(step=begun, undoing=True, error=_told(failure))
        if await self._backward(operation, work):
            await self._fail(operation, work)

    async def _forward(self, operation: Operation, work: TaskContext) -> Exception | None:
        """Do the steps that are left; the failure that stopped them, if one did."""
        while work.task.step < len(operation.steps):
            step = operation.steps[work.task.step]
            try:
                if self.interference:
                    await self.interference.before(work.task, step.name, first=work.task.step == 0)
                await step.do(work)
            except LeaseLostError:
                raise
            except Exception as failure:  # noqa: BLE001  # whatever a step raises ends the task, told in its error
                return failure
            await work.save_step(step=work.task.step + 1)
        return None

    async def _backward(self, operation: Operation, work: TaskContext) -> bool:
        """Undo the steps that began, last first; False if one is to be tried again later."""
        while work.task.step > 0:
            step = operation.steps[work.task.step - 1]
            try:
                if step.undo is not None:
                    await step.undo(work)
            except LeaseLostError:
                raise
            except Exception as failure:
                LOG.exception("Undoing failed", extra={"task_id": work.task.id, "step": step.name})
                if await self._again_later(work, failure):
                    return False
            await work.save_step(step=work.task.step - 1, undoing=True, error=work.task.error)
        return True

    async def _again_later(self, work: TaskContext, failure: Exception) -> bool:
        """Leave a step for another try, if that may help and has not been tried too often."""
        task = work.task
        if not _may_pass(failure) or task.attempts + 1 >= TRIES:
            return False
        LOG.info("Task tried again later", extra={"task_id": task.id, "attempts": task.attempts + 1}, exc_info=failure)
        await self._let_go(work, pause=FIRST_PAUSE << task.attempts, attempts=task.attempts + 1)
        return True

    async def _let_go(self, work: TaskContext, *, pause: int, attempts: int | None = None) -> None:
        now, tried = self.now(), work.task.attempts if attempts is None else attempts

        async def write(tx: Tx) -> None:
            await tasks.save_progress(tx, work.task, now, lease_token=None, lease_until=now + pause - 1, attempts=tried)

        await self.db.write(write)

    async def _finish(self, operation: Operation, work: TaskContext) -> Exception | None:
        async def write(tx: Tx) -> None:
            created = await operation.done(tx, work)
            await self._end(tx, work, state=TaskState.FINISHED, created_resources=created)

        try:
            await work.write(write)
        except LeaseLostError:
            raise
        except Exception as failure:  # noqa: BLE001  # as that of a step
            return failure
        self._tell(work.task, TaskState.FINISHED)
        return None

    async def _fail(self, operation: Operation, work: TaskContext) -> None:
        async def write(tx: Tx) -> None:
            await operation.failed(tx, work)
            await self._end(tx, work, state=TaskState.ERROR, error=work.task.error or "Internal error")

        await work.write(write)
        self._tell(work.task, TaskState.ERROR)

    async def _end(self, tx: Tx, work: TaskContext, **changes: object) -> None:
        now = self.now()
        await tasks.save_progress(tx, work.task, now, finished_at=now, lease_token=None, **changes)

    def _tell(self, task: Task, state: str) -> None:
        if self.ended:
            self.ended(task, state)


def _may_pass(failure: Exception) -> bool:
    """Whether trying again may help: drivers know; no rule changes its mind; what nobody foresaw may pass."""
    if isinstance(failure, DriverError):
        return failure.retryable
    return isinstance(failure, Stale | Unavailable) or not isinstance(failure, Problem)


def _told(failure: Exception) -> str:
    """What a tenant is told of a failure: the words of those that are meant for them, else nothing of the inside."""
    if isinstance(failure, DriverError | Problem):
        return str(failure)
    return "Internal error"
