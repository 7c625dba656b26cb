"""The context of a request: the caller, the place, and the server that answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from litestar.di import NamedDependency

from pileus.api.authentication import Authenticator
from pileus.api.cell_connections import CellConnections
from pileus.api.http_faults import HttpFaults
from pileus.api.installation_figures import InstallationMeter
from pileus.api.login_limits import LoginLimits
from pileus.api.operations import OperationIndex
from pileus.api.rate_limits import RateLimiter
from pileus.api.request_log.server_logs import ServerLog
from pileus.api.task_figures import TaskMeter
from pileus.api.wire.tasks import TaskIds
from pileus.domain import limits
from pileus.domain.catalogue import Catalogue
from pileus.domain.context import Context
from pileus.domain.errors import Locked, not_found
from pileus.domain.start_reports import StartReport
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.outbound.protocols import Notifier
from pileus.services.locks import describe_lock
from pileus.services.tasks import save_new_task
from pileus.store.compute.instance_cache import InstanceCache
from pileus.store.database import Database, T, Tx, Work
from pileus.store.loop_turns import LoopTurns
from pileus.tasks.change_feeds import ChangeFeeds
from pileus.tasks.clocks import CloudClock
from pileus.tasks.completion import TaskWaiters
from pileus.tasks.controls import Controls
from pileus.tasks.epochs import Epochs
from pileus.tasks.long_polls import LongPolls
from pileus.tasks.resets import CloudResets
from pileus.tasks.states import CloudStates


class TaskPerformer(Protocol):
    """Performs tasks: the engine. `is_instant` says whether it performs any in the transactions that start them."""

    is_instant: bool

    async def perform_new(self, tx: Tx, task: Task) -> bool:
        """Perform an unsaved task in the transaction that starts it, if that is possible.

        Returns whether it is finished, and saved as such.
        """

    def notify_of_end(self, task: Task) -> None:
        """Tell who waits for a task that the transaction which finished it is committed."""


@dataclass(slots=True)
class AppState:
    """The state that all requests of a process share.

    `patience` is the time in seconds that a request waits for the end of a task that it starts, and `long_poll_seconds`
    that of a request that reads a task. `task_limit` is the most unfinished tasks that a tenant may have.
    `control_obstacle` is the reason why the simulated cloud may not be controlled; empty if it may. `due_jobs` do what
    has become due when the clock is changed. `strict` refuses requests with fields and parameters that nothing reads.
    `cells` is None in a cloud of one database. `operations` is set when the application has its routes.
    `stopping` is set when the server stops. `task_performer` performs tasks in the transactions that start them.
    """

    db: Database
    catalogue: Catalogue
    clock: CloudClock
    new_id: Callable[[], str]
    new_ordered_id: Callable[[], str]
    wake_engine: Callable[[], None]
    drivers: RegionDrivers
    notifier: Notifier
    task_limit: int
    controls: Controls
    epochs: Epochs
    resets: CloudResets
    states: CloudStates
    control_obstacle: str = ""
    due_jobs: Sequence[Callable[[], Awaitable[object]]] = ()
    task_performer: TaskPerformer | None = None
    task_waiters: TaskWaiters = field(default_factory=TaskWaiters)
    patience: float = 25.0
    login_limits: LoginLimits = field(default_factory=LoginLimits)
    rate_limiter: RateLimiter | None = None
    long_poll_seconds: float = 0.0
    long_polls: LongPolls = field(init=False)
    tag_limit: int = limits.TAGS.value
    legacy_fields: bool = True
    turns: LoopTurns = field(default_factory=LoopTurns)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    strict: bool = False
    cells: CellConnections | None = None
    request_log: ServerLog | None = None
    instance_cache: InstanceCache = field(default_factory=lambda: InstanceCache(0))
    read_start_report: Callable[[], StartReport] = StartReport
    authenticator: Authenticator = field(init=False)
    now: Callable[[], int] = field(init=False)
    http_faults: HttpFaults = field(init=False)
    task_meter: TaskMeter = field(init=False)
    installation_meter: InstallationMeter = field(init=False)
    operations: OperationIndex = field(init=False, default_factory=OperationIndex)
    change_feeds: ChangeFeeds = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.clock.now
        self.long_polls = LongPolls(self.task_waiters, self.long_poll_seconds)
        self.authenticator = Authenticator(self.tenants_db, ensure_tenant=self.ensure_tenant)
        self.http_faults = HttpFaults(self.db, self.authenticator, self.now)
        self.controls.add_reader(self.http_faults.read)
        self.task_meter = TaskMeter(self.db, self.clock)
        self.installation_meter = InstallationMeter(self.db, self.catalogue, self.drivers, self.clock)
        self.change_feeds = ChangeFeeds(self.db, self.now)
        self.epochs.add_listener(self.change_feeds.drop_all)

    @property
    def tenants_db(self) -> Database:
        """The database with users and keys, which is that of cell 0."""
        return self.cells.tenants_db if self.cells else self.db

    async def ensure_tenant(self, client_id: int) -> None:
        """Copy what the database of cell 0 has of a tenant, if the copy in that of this server is older."""
        if self.cells and self.cells.copies:
            await self.cells.copies.ensure_current(client_id)

    def stop_waiting(self) -> None:
        """Let requests that wait go on: those that read a task, those that a fault delays, and streams, which end."""
        self.stopping.set()
        self.long_polls.stop()
        self.http_faults.stop()
        self.change_feeds.stop()
        if self.request_log:
            self.request_log.log.stop()


@dataclass(slots=True, kw_only=True)
class RequestContext(Context):
    """The context of one request."""

    app: AppState
    epoch: int

    @property
    def db(self) -> Database:
        """The database."""
        return self.app.db

    @property
    def driver(self) -> Compute:
        """The driver of the request's region. Raises NotFound or RegionElsewhere."""
        driver = self.app.drivers.find(self.place.region_id)
        if driver is None:
            raise not_found("Region", self.place.region_id)
        return driver

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction; a conflict with another request runs it again."""

        async def run(tx: Tx) -> T:
            self.app.epochs.check_unchanged(self.epoch)
            try:
                return await work(tx)
            except Locked as problem:
                raise await describe_lock(tx, self, problem) from None

        return await self.app.db.write(run)

    async def change_controls(self, work: Work[T]) -> T:
        """Run `work`, which changes controls, in one transaction; return when all server processes obey them."""
        return await self.app.controls.change(work)

    async def submit_task(self, work: Callable[[Tx, str], Awaitable[object]]) -> TaskIds:
        """Run `work(tx, task_id)`, which starts the task, in one transaction; wake the engine and answer the id.

        If `work` returns None, no task has been started, and the answer has no id.
        """
        task_id = self.new_ordered_id()
        result = await self._start_task(work, task_id)
        return TaskIds(tasks=[] if result is None else [task_id])

    async def submit_task_and_wait(self, work: Callable[[Tx, str], Awaitable[T]]) -> T:
        """Like `submit_task`, then wait until the task has ended, but not longer than `AppState.patience`.

        Returns what `work` returns. If that is None, no task has been started, and there is nothing to wait for.
        """
        task_id = self.new_ordered_id()
        result = await self._start_task(work, task_id)
        if result is not None:
            await self.app.task_waiters.wait_for_task(self.db, task_id, self.app.patience)
        return result

    async def _start_task(self, work: Callable[[Tx, str], Awaitable[T]], task_id: str) -> T:
        """Run `work(tx, task_id)` in one transaction, which also performs the task if that is possible."""
        performer = self.app.task_performer
        if performer is None or not performer.is_instant:
            result = await self.write(lambda tx: work(tx, task_id))
            self._wake_engine_for(result)
            return result

        async def start(tx: Tx) -> tuple[T, Task | None]:
            started: list[Task] = []
            self.unsaved_tasks = started
            try:
                result = await work(tx, task_id)
            finally:
                self.unsaved_tasks = None
            return result, await self._perform_or_save(tx, performer, result, started)

        result, finished = await self.write(start)
        if finished is None:
            self._wake_engine_for(result)
        else:
            performer.notify_of_end(finished)
        return result

    async def _perform_or_save(
        self, tx: Tx, performer: TaskPerformer, result: object, started: Sequence[Task]
    ) -> Task | None:
        """Perform the task that is the result, and save the others; return it if it is finished."""
        finished = None
        for task in started:
            if task is result and await performer.perform_new(tx, task):
                finished = task
            else:
                await save_new_task(tx, self, task)
        return finished

    def _wake_engine_for(self, result: object) -> None:
        if result is not None:
            self.app.wake_engine()

    async def wait_for_task(self, task_id: str | None) -> bool:
        """Wait until the task has ended, but not longer than `AppState.patience`; return whether it has.

        Returns True at once if `task_id` is None.
        """
        if task_id is None:
            return True
        self.app.wake_engine()
        return await self.app.task_waiters.wait_for_task(self.db, task_id, self.app.patience)


CONTEXT: ContextVar[RequestContext] = ContextVar("context")
"""The context of the current request."""
Ctx = NamedDependency[RequestContext]
"""The parameter of a handler that takes the context: `ctx: Ctx`."""
