"""The engine runs tasks: it claims them by a lease, performs their steps, undoes them on failure, and survives crashes.

A worker holds a task by a token and a lease, which it renews while it works. It saves its progress after each step that
lasts, and when it gives the task back. When the worker dies, the lease expires and another worker claims the task and
resumes after the last saved step. The steps that had begun since run again, which is why every step is idempotent. No
transaction is open while a driver works, and a worker that has lost its lease cannot write.

A free slot goes to the tenants in turn: see `slots.py`, and `claims.py` for which tasks are claimed. A task that an
injected fault holds gives its slot back.

An engine that is `instant` ends a task in the transaction of the request that starts it, or in the one that claims it,
if nothing has to wait and nothing fails. Otherwise nothing remains of that, and the worker performs the task step by
step.

A step that is not yet done gives the slot back, and is called again after the seconds that its driver names. While a
driver or the database does not answer, a task waits in the same way and goes on as soon as they do; neither counts as
an attempt. A step that fails is retried after growing delays if its failure is retryable. Otherwise the steps that have
begun are undone, last first. If a worker died meanwhile, all steps are undone, because any of them may have begun.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import SlotClass, Task, TaskState, has_secret_args
from pileus.drivers.protocols.errors import NotYetDone
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.store import open_transactions, tasks
from pileus.store.database import Database, Tx
from pileus.store.open_transactions import run_joined
from pileus.store.tasks import LeaseLostError
from pileus.tasks.cancellation import cancel_and_wait, complete
from pileus.tasks.claims import Claims, TaskClaimer
from pileus.tasks.clocks import CloudClock
from pileus.tasks.fault_injection import FaultInjector
from pileus.tasks.operation import A, Operation, Operations, TaskContext, TaskHeldError
from pileus.tasks.periodic import FailureLog
from pileus.tasks.rejection import release_records
from pileus.tasks.retries import explain_failure, plan_retry
from pileus.tasks.slots import SLOT_COUNTS, Slots

LOG = logging.getLogger(__name__)
POLL_INTERVAL = 0.5
"""Seconds between polls for tasks of other processes."""


CLAIMED_SECONDS = 5.0
"""For so long tasks of a type are only claimed after one has taken too long in the transaction that starts it."""
OnTaskEnd = Callable[[Task, str], None]
"""Called with a task that has ended and its final state."""


@dataclass(slots=True)
class Engine:
    """A worker: `run` works until it is cancelled, `run_until_idle` until no task is claimable."""

    db: Database
    operations: Operations
    drivers: RegionDrivers
    catalogue: Catalogue
    clock: CloudClock
    new_id: Callable[[], str]
    lease: int = 15_000_000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    fault_injector: FaultInjector | None = None
    on_task_end: OnTaskEnd | None = None
    slot_counts: Mapping[SlotClass, int] = field(default_factory=lambda: SLOT_COUNTS)
    is_instant: bool = False
    _slots: list[Slots] = field(init=False)
    _claimer: TaskClaimer = field(init=False)
    _claimed_until: dict[str, float] = field(init=False, default_factory=dict)
    _nudged: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _claim_failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "No task could be claimed"))
    _task_failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "Task left for another try"))
    _lease_failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "A lease could not be renewed"))

    def __post_init__(self) -> None:
        self._slots = [Slots(slot_class, count) for slot_class, count in self.slot_counts.items()]
        self._claimer = TaskClaimer(
            self.db, self.operations, self.drivers, self.clock, self.new_id, self.lease, self._perform_at_once
        )

    def nudge(self) -> None:
        """Look for claimable tasks at once."""
        self._nudged.set()

    async def run(self) -> None:
        """Claim and perform tasks concurrently until cancelled; the next worker resumes unfinished ones."""
        try:
            while True:
                self._nudged.clear()
                await self._start_claimable()
                await self._wait_for_nudge()
        finally:
            await self.stop()

    def drop_running(self) -> None:
        """Cancel the running tasks without waiting for them: they are gone from the database. Look for others."""
        for running in self._running:
            running.cancel()
        self.nudge()

    async def stop(self) -> None:
        """Cancel the running tasks and release their leases."""
        await complete(cancel_and_wait(*self._running))

    async def run_until_idle(self) -> None:
        """Perform all claimable tasks, one after the other."""
        for slots in self._slots:
            while claims := await self._claim(slots):
                if claims.task is not None:
                    await self.perform(claims.task)

    async def _start_claimable(self) -> None:
        """Fill the free slots; the classes take turns, so that many tasks of one class do not delay the others."""
        try:
            classes = self._slots
            while classes:
                classes = [slots for slots in classes if await self._start_next(slots)]
        except Exception as failure:  # noqa: BLE001  # logged; the next poll may succeed
            self._claim_failures.add(failure)
        else:
            self._claim_failures.clear()

    async def _start_next(self, slots: Slots) -> bool:
        """Start tasks, and return whether there may be a free slot and another task for it."""
        if not slots.free or (claims := await self._claim(slots)) is None:
            return False
        if claims.task is not None:
            self._start(claims.task, slots)
        return not claims.is_last

    async def _wait_for_nudge(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._nudged.wait()
        except TimeoutError:
            return

    def _start(self, task: Task, slots: Slots) -> None:
        slots.occupy(task)
        running = asyncio.create_task(self._perform_and_log_failure(task), name=f"task-{task.id}")
        self._running.add(running)
        running.add_done_callback(partial(self._remove_running, task, slots))

    def _remove_running(self, task: Task, slots: Slots, running: asyncio.Task[None]) -> None:
        was_limited = slots.is_limited
        slots.release(task)
        self._running.discard(running)
        if was_limited:
            self.nudge()

    async def _claim(self, slots: Slots) -> Claims | None:
        claims = await self._claimer.claim(slots)
        for task in claims.ended if claims else ():
            self.notify_of_end(task)
        return claims

    async def perform_new(self, tx: Tx, task: Task) -> bool:
        """Perform an unsaved task in the transaction that starts it, and save it; return whether it is finished.

        Then call `notify_of_end`; otherwise nothing is saved.

        Such a task takes no slot, so it does not wait for one. If one took too long, those of its type are claimed for
        a while: they take turns, and the writes of all tenants would wait for each.
        """
        began = time.monotonic()
        if not self._claimer.can_perform(task) or began < self._claimed_until.get(task.task_type, 0):
            return False
        cpu_began = time.thread_time()
        is_finished = await self._perform_at_once(tx, task, is_unsaved=True)
        if not is_finished and time.thread_time() - cpu_began > open_transactions.LONGEST_SECONDS:
            self._claimed_until[task.task_type] = began + CLAIMED_SECONDS
        return is_finished

    def notify_of_end(self, task: Task) -> None:
        """Tell who waits for a task that the transaction which finished it is committed."""
        self._notify(task, TaskState.FINISHED)

    async def _perform_at_once(self, tx: Tx, task: Task, *, is_unsaved: bool = False) -> bool:
        """Perform a new task in an open transaction; return False, and nothing is done, if that is impossible."""
        has_begun = task.step or task.undoing or task.attempts or task.interrupted
        if not self.is_instant or has_begun or task.slot_class != SlotClass.QUICK:
            return False
        try:
            await run_joined(tx, partial(self._perform_joined, task, is_unsaved=is_unsaved))
        except Exception as failure:  # the worker performs the task again, and handles its failure
            LOG.debug("A task cannot be performed at once", extra={"task_id": task.id}, exc_info=failure)
            return False
        return True

    async def _perform_joined(self, task: Task, *, is_unsaved: bool) -> None:
        operation = self.operations[task.task_type]
        ctx = self._make_context(operation, task, convert(task.args, operation.task_type.args))
        ctx.is_unsaved = is_unsaved
        try:
            with tasks.performing(task):
                if failure := await self._run_steps(operation, ctx):
                    raise failure
                await self._save_finished(operation, ctx)
        finally:
            ctx.pending.close()

    def _make_context(self, operation: Operation[A], task: Task, args: A) -> TaskContext[A]:
        task, names = replace(task, step=operation.find_step(task)), operation.step_names
        ctx = TaskContext(task, args, self.db, self.drivers, self.catalogue, self.clock, self.lease, names)
        ctx.time.begin()
        return ctx

    async def _perform_and_log_failure(self, task: Task) -> None:
        try:
            await self.perform(task)
        except Exception as failure:  # noqa: BLE001  # logged; the task is claimed again when its lease expires
            self._task_failures.add(failure, task_id=task.id, task_type=task.task_type)
        else:
            self._task_failures.clear()

    async def perform(self, task: Task) -> None:
        """Run a claimed task until it ends, is to be retried later, or is lost to another worker.

        A task whose arguments do not match its type ends in ERROR at once, and so do its records: only its arguments
        tell how to restore them.
        """
        operation = self.operations[task.task_type]
        try:
            args = convert(task.args, operation.task_type.args)
        except ValidationError as error:
            await self._reject(task, f"The arguments of this {task.task_type} task are invalid: {error}")
        else:
            await self._perform_with_lease(operation, task, args)

    async def _reject(self, task: Task, error: str) -> None:
        LOG.error("Task rejected", extra={"task_id": task.id, "error": error})
        now = self.clock.now()

        async def write(tx: Tx) -> bool:
            if is_saved := await self._save_end(tx, task, now, state=TaskState.ERROR, error=error):
                await release_records(tx, task, now)
            return is_saved

        if await self.db.write(write):
            self._notify(task, TaskState.ERROR)

    async def _perform_with_lease(self, operation: Operation[A], task: Task, args: A) -> None:
        ctx = self._make_context(operation, task, args)
        heartbeat = asyncio.create_task(self._renew_lease_repeatedly(task))
        try:
            with tasks.performing(task):
                await self._advance(operation, ctx)
        except LeaseLostError:
            LOG.warning("The task is gone, or another worker took it over", extra={"task_id": task.id})
        except TaskHeldError as error:
            await self._hold(ctx, error.fault_id)
        except asyncio.CancelledError:
            # The worker is cancelled again if the database takes long.
            await complete(self._release_lease(ctx, delay=0))
            raise
        finally:
            heartbeat.cancel()
            ctx.pending.close()

    async def _hold(self, ctx: TaskContext[Struct], fault_id: str) -> None:
        """Save the progress, and end the lease until the fault is deleted."""
        task, change = ctx.task, ctx.pending.take()

        async def write(tx: Tx) -> None:
            is_held = await tasks.hold(tx, task, fault_id, ctx.now(), lease_until=self.clock.system_now() - 1)
            if is_held and change is not None:
                await change(tx)

        await self.db.write(write)

    async def _renew_lease_repeatedly(self, task: Task) -> None:
        is_held = True
        while is_held:
            await self.sleep(self.lease / 3_000_000)
            is_held = await self._renew_lease(task)

    async def _renew_lease(self, task: Task) -> bool:
        """Renew the lease and return False if it was lost; a failure of the database does not count as lost."""
        try:
            is_held = await self.db.write(lambda tx: tasks.renew_lease(tx, task, self.clock.system_now() + self.lease))
        except Exception as failure:  # noqa: BLE001  # logged; the next renewal may succeed
            self._lease_failures.add(failure, task_id=task.id)
            return True
        self._lease_failures.clear()
        return is_held

    async def _advance(self, operation: Operation[A], ctx: TaskContext[A]) -> None:
        if not ctx.task.undoing:
            failure = await self._run_steps(operation, ctx) or await self._finish(operation, ctx)
            if failure is None or await self._schedule_retry(ctx, failure):
                return
            error = explain_failure(failure)
            LOG.warning("Task failed", extra={"task_id": ctx.task.id, "error": error}, exc_info=failure)
            # A worker that died may have gone further than it has saved.
            begun = len(operation.steps) if ctx.task.interrupted else min(ctx.task.step + 1, len(operation.steps))
            await ctx.save_step(step=begun, undoing=True, error=error)
        if await self._undo_steps(operation, ctx):
            await self._fail(operation, ctx)

    async def _run_steps(self, operation: Operation[A], ctx: TaskContext[A]) -> Exception | None:
        """Run the remaining steps; return the failure that stopped them, or None."""
        while ctx.task.step < len(operation.steps):
            step = operation.steps[ctx.task.step]
            try:
                if self.fault_injector:
                    await self.fault_injector.before_step(ctx, step.name, is_first=ctx.task.step == 0)
                await step.do(ctx)
            except (LeaseLostError, TaskHeldError):
                raise
            except Exception as failure:  # noqa: BLE001  # any failure of a step fails the task
                return failure
            await ctx.finish_step()
        return None

    async def _undo_steps(self, operation: Operation[A], ctx: TaskContext[A]) -> bool:
        """Undo the steps that have begun, last first; return False if an undo is to be retried later."""
        while ctx.task.step > 0:
            step = operation.steps[ctx.task.step - 1]
            try:
                if step.undo is not None:
                    await step.undo(ctx)
            except LeaseLostError:
                raise
            except Exception as failure:
                if not isinstance(failure, NotYetDone):
                    LOG.exception("Undoing failed", extra={"task_id": ctx.task.id, "step": step.name})
                if await self._schedule_retry(ctx, failure):
                    return False
            await ctx.save_step(step=ctx.task.step - 1, undoing=True, error=ctx.task.error)
        return True

    async def _schedule_retry(self, ctx: TaskContext[Struct], failure: Exception) -> bool:
        """Release the lease for a later retry and return True; return False if no retry is left or none can help."""
        retry = plan_retry(ctx.task, failure, self.clock.system_now())
        if retry is None:
            return False
        level = logging.DEBUG if isinstance(failure, NotYetDone) else logging.INFO
        LOG.log(level, "Task retried later", extra={"task_id": ctx.task.id, "delay": retry.delay}, exc_info=failure)
        ctx.task = retry.task
        await self._release_lease(ctx, retry.delay)
        return True

    async def _release_lease(self, ctx: TaskContext[Struct], delay: int) -> None:
        await ctx.save_progress(lease_token=None, lease_until=self.clock.system_now() + delay - 1)

    async def _finish(self, operation: Operation[A], ctx: TaskContext[A]) -> Exception | None:
        """End the task as FINISHED; return the failure that prevented this, or None."""
        try:
            await self._save_finished(operation, ctx)
        except LeaseLostError:
            raise
        except Exception as failure:  # noqa: BLE001  # like any failure of a step
            return failure
        self._notify(ctx.task, TaskState.FINISHED)
        return None

    async def _save_finished(self, operation: Operation[A], ctx: TaskContext[A]) -> None:
        async def write(tx: Tx) -> None:
            created = await operation.done(tx, ctx)
            changes = {"state": TaskState.FINISHED, "created_resources": created, "step": ctx.task.step}
            await self._save_end(tx, ctx.task, ctx.now(), is_unsaved=ctx.is_unsaved, **changes)

        await ctx.write(write)

    async def _fail(self, operation: Operation[A], ctx: TaskContext[A]) -> None:
        """End the task as ERROR, after its steps have been undone."""

        async def write(tx: Tx) -> None:
            await operation.failed(tx, ctx)
            error = ctx.task.error or "Internal error"
            await self._save_end(tx, ctx.task, ctx.now(), state=TaskState.ERROR, error=error)

        await ctx.write(write)
        self._notify(ctx.task, TaskState.ERROR)

    async def _save_end(self, tx: Tx, task: Task, now: int, *, is_unsaved: bool = False, **changes: Any) -> bool:
        if has_secret_args(task.args):
            changes["args"] = task.args_without_secrets
        # The clock may have been set back since the task began.
        finished_at = max(now, task.created_at)
        if is_unsaved:
            await tasks.add(tx, replace(task, updated_at=finished_at, finished_at=finished_at, **changes))
            return True
        return await tasks.save_progress(tx, task, finished_at, finished_at=finished_at, lease_token=None, **changes)

    def _notify(self, task: Task, state: str) -> None:
        if self.on_task_end:
            self.on_task_end(task, state)
