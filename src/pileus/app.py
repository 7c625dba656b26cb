"""The composition root: the only module that imports every package and creates the parts of the program."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Litestar
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.cell_connections import CellConnections
from pileus.api.context import AppState
from pileus.api.control_access import find_control_obstacle
from pileus.api.middleware import ServerMetrics
from pileus.api.rate_limits import RateLimiter
from pileus.api.request_log.exchanges import RequestLog
from pileus.api.request_log.processes import ProcessSockets
from pileus.api.request_log.server_logs import ServerLog, open_request_log
from pileus.api.retention_metrics import RetentionMetrics
from pileus.api.wire.account.user_actions import encode_audit_event
from pileus.api_keys import ApiKeyAdmin
from pileus.cells import open_cells
from pileus.domain.clocks import ClockSetting
from pileus.domain.retention import RetentionPeriods
from pileus.domain.tasks import Task
from pileus.driver_homes import plan_homes
from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.drivers.protocols.config import read_system_time
from pileus.drivers.protocols.guests import SupportsWatching
from pileus.drivers.protocols.inventory import SupportsComparison, SupportsInventory
from pileus.drivers.protocols.records import SupportsFirstRecords
from pileus.drivers.protocols.regions import RegionDrivers, RunningDriver
from pileus.initial_data import (
    PreparedDatabase,
    check_database_file,
    check_first_tenant,
    check_has_tenants,
    open_seeded_database,
    save_configured_contents,
    write_first_contents,
)
from pileus.outbound.notifier import SubscriptionNotifier
from pileus.private_files import REQUEST_LOG_DIRECTORY, make_new_files_private
from pileus.region_drivers import start_region_drivers
from pileus.server.start_steps import read_start_report
from pileus.services.clocks import reset_clock
from pileus.services.resets import FirstContents
from pileus.settings import Settings
from pileus.store import clocks, secret_keys
from pileus.store.account import api_keys
from pileus.store.compute.instance_cache import InstanceCache
from pileus.store.database import Database, Tx
from pileus.store.database_checks import DatabaseChecks
from pileus.store.database_status import DatabaseStatus
from pileus.store.schema import make_database, open_database
from pileus.store.simulated_cloud import SimulatedCloudStore, StoredRecords
from pileus.store.sqlite import Sqlite
from pileus.tasks.account.deliveries import EventDeliverer
from pileus.tasks.cancellation import PATIENCE, cancel_and_wait
from pileus.tasks.changed_resources import ChangedResources
from pileus.tasks.clocks import CloudClock
from pileus.tasks.completion import TaskWaiters
from pileus.tasks.controls import Controls
from pileus.tasks.engine import Engine, OnTaskEnd
from pileus.tasks.epochs import Epochs
from pileus.tasks.fault_injection import StoredFaultInjector
from pileus.tasks.leased_jobs import Job, LeasedJobs
from pileus.tasks.missing_resources import MissingResources
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.reconciler import Reconciler
from pileus.tasks.resets import CloudResets
from pileus.tasks.resource_repairs import ResourceRepairs
from pileus.tasks.retention import RetentionJob
from pileus.tasks.states import CloudStates
from pileus.tasks.storage.scheduler import Scheduler
from pileus.users import UserAdmin


@dataclass(slots=True)
class RunningCloud:
    """A running cloud; `first_token` is the operator's key if this start created it."""

    app: Litestar
    app_state: AppState
    engine: Engine
    drivers: RegionDrivers
    first_token: str | None


def make_rate_limiter(settings: Settings, drivers: RegionDrivers) -> RateLimiter | None:
    """Create the limiter of the requests of a key, if the settings limit them."""
    rate = settings.requests_per_second(is_simulated=drivers.all_have(SupportsSimulation))
    return RateLimiter(rate, time.monotonic) if rate else None


def make_request_log(settings: Settings, *, is_alone: bool) -> ServerLog | None:
    """Create the request log, if the settings want one; a process that is not alone shares it with the others."""
    if settings.request_log == "off" or (settings.request_log == "auto" and not settings.listens_on_loopback):
        return None
    log = RequestLog(settings.request_log_size, settings.request_log_memory << 20)
    is_shared = settings.workers > 1 and not is_alone
    return ServerLog(log, ProcessSockets(settings.data / REQUEST_LOG_DIRECTORY, log) if is_shared else None)


def make_app(settings: Settings, running: RunningCloud | None = None) -> Litestar:
    """Create the ASGI application. Without a running cloud, it only provides the routes and the OpenAPI document."""
    return create_app(settings, running.app_state if running else None, ServerMetrics(CollectorRegistry()))


@asynccontextmanager
async def run_cloud(settings: Settings, *, exclusive: bool = False) -> AsyncIterator[RunningCloud]:
    """Open the database, start the drivers and the background workers, and stop them at the end.

    With `exclusive` no other process uses the database, and leases of its predecessor are released.
    """
    metrics = ServerMetrics(CollectorRegistry())
    async with (
        open_seeded_database(settings, metrics.count_commit, exclusive=exclusive) as prepared,
        open_cells(settings, prepared.db, prepared.catalogue) as cells,
    ):
        db, catalogue = prepared.db, prepared.catalogue
        homes = await plan_homes(db, settings, prepared.drivers, read_system_time())
        clock, task_waiters = CloudClock(read_system_time, prepared.clock), TaskWaiters()
        running = await start_region_drivers(homes.local, settings, catalogue, SimulatedCloudStore(db), clock)
        drivers = RegionDrivers(running, homes.remote)
        engine = _make_engine(settings, prepared, drivers, clock, _on_task_end(metrics, task_waiters, clock.now))
        ids = prepared.ids
        retention = _make_retention_job(settings, db, clock, metrics)
        app_state = _make_app_state(settings, prepared, engine, drivers, task_waiters, cells)
        scheduler = Scheduler(
            db, catalogue, clock, ids.new_id, ids.new_ordered_id, engine.nudge, app_state.ensure_tenant
        )
        app_state.due_jobs = (scheduler.catch_up, retention.run_at_once)
        if not app_state.control_obstacle:
            app_state.request_log = make_request_log(settings, is_alone=exclusive)
        app_state.controls.add_reader(clock.read, constant=True)
        _follow_epochs(app_state, engine)
        if prepared.clock != ClockSetting() and not drivers.all_have(SupportsSimulation):
            await db.write(lambda tx: reset_clock(tx, read_system_time()))
        app = create_app(settings, app_state, metrics)
        await app_state.controls.refresh()
        workers = _make_workers(settings, app_state, engine, scheduler, retention)
        async with open_request_log(app_state.request_log), _run_in_background(*workers):
            yield RunningCloud(app, app_state, engine, drivers, prepared.first_token)


def _make_workers(
    settings: Settings, app_state: AppState, engine: Engine, scheduler: Scheduler, retention: RetentionJob
) -> list[Coroutine[Any, Any, None]]:
    """Return what runs in the background for as long as the cloud runs."""
    db = app_state.db
    deliverer = EventDeliverer(
        db, app_state.notifier, encode_audit_event, read_system_time, ensure_tenant=app_state.ensure_tenant
    )
    jobs = (engine, scheduler, deliverer, retention, app_state.controls, app_state.change_feeds)
    workers = [job.run() for job in jobs]
    reconcilers: dict[str, Job] = {
        f"reconciler of {entry.regions_text}": partial(_reconcile, db, engine, entry, app_state.new_ordered_id)
        for entry in app_state.drivers.running
    }
    if settings.has_other_processes:
        return [*workers, _make_leased_jobs(settings, app_state, reconcilers).run()]
    return [*workers, *(reconcile() for reconcile in reconcilers.values())]


def _make_leased_jobs(settings: Settings, app_state: AppState, jobs: Mapping[str, Job]) -> LeasedJobs:
    holder, token = f"{socket.gethostname()} process {os.getpid()}", app_state.new_id()
    return LeasedJobs(app_state.db, jobs, holder, token, read_system_time, settings.lease_seconds)


async def _reconcile(db: Database, engine: Engine, entry: RunningDriver, new_task_id: Callable[[], str]) -> None:
    """Watch and reconcile the regions of a driver until cancelled."""
    reconciler = Reconciler(db, entry.driver, engine.clock.now, entry.region_ids)
    work = [reconciler.run()]
    repairs = ResourceRepairs(db, engine.clock, new_task_id, engine.nudge)
    if isinstance(entry.driver, SupportsInventory):
        work.append(MissingResources(db, entry.driver, repairs, entry.region_ids).run())
    if isinstance(entry.driver, SupportsComparison):
        work.append(ChangedResources(db, entry.driver, repairs, entry.region_ids).run())
    if isinstance(entry.driver, SupportsWatching):
        work.append(reconciler.watch_driver(entry.driver))
    await asyncio.gather(*work)


def _make_engine(
    settings: Settings, prepared: PreparedDatabase, drivers: RegionDrivers, clock: CloudClock, on_task_end: OnTaskEnd
) -> Engine:
    return Engine(
        prepared.db,
        OPERATIONS,
        drivers,
        prepared.catalogue,
        clock,
        prepared.ids.new_id,
        lease=int(settings.lease_seconds * 1_000_000),
        fault_injector=StoredFaultInjector(prepared.db),
        on_task_end=on_task_end,
        is_instant=isinstance(prepared.db, Sqlite) and drivers.all_have(SupportsFirstRecords),
    )


def _follow_epochs(app_state: AppState, engine: Engine) -> None:
    """Drop what this process keeps in memory when a new epoch begins."""
    listeners = (
        api_keys.REVOCATIONS.drop_caches,
        app_state.instance_cache.clear,
        app_state.task_waiters.wake_all,
        engine.drop_running,
    )
    for listener in listeners:
        app_state.epochs.add_listener(listener)
    if app_state.request_log:
        app_state.epochs.add_listener(app_state.request_log.log.clear)
    app_state.controls.add_reader(app_state.epochs.read, constant=True)


def _make_resets(
    settings: Settings, prepared: PreparedDatabase, drivers: RegionDrivers, controls: Controls, epochs: Epochs
) -> CloudResets:
    async def write(tx: Tx, contents: FirstContents) -> None:
        await write_first_contents(tx, prepared.catalogue, given_key=settings.api_key, contents=contents)
        for entry in drivers.running:
            if isinstance(entry.driver, SupportsFirstRecords):
                await entry.driver.write_first_records(StoredRecords(tx))

    return CloudResets(controls, epochs, write)


def _make_states(settings: Settings, prepared: PreparedDatabase, resets: CloudResets) -> CloudStates:
    async def save_contents(tx: Tx) -> None:
        await save_configured_contents(tx, prepared.catalogue, settings.api_key, read_system_time())

    return CloudStates(prepared.db, prepared.catalogue, resets, save_contents)


def _make_app_state(  # noqa: PLR0913, PLR0917  # the parts of a running cloud
    settings: Settings,
    prepared: PreparedDatabase,
    engine: Engine,
    drivers: RegionDrivers,
    task_waiters: TaskWaiters,
    cells: CellConnections | None,
) -> AppState:
    control_obstacle = find_control_obstacle(settings, drivers)
    controls = Controls(prepared.db, is_shared=settings.has_other_processes, is_obeyed=not control_obstacle)
    epochs = Epochs()
    resets = _make_resets(settings, prepared, drivers, controls, epochs)
    return AppState(
        prepared.db,
        prepared.catalogue,
        engine.clock,
        prepared.ids.new_id,
        prepared.ids.new_ordered_id,
        engine.nudge,
        drivers,
        SubscriptionNotifier(allow_private=settings.subscribers == "any"),
        settings.task_limit,
        controls,
        epochs,
        resets,
        _make_states(settings, prepared, resets),
        control_obstacle=control_obstacle,
        task_performer=engine,
        task_waiters=task_waiters,
        rate_limiter=make_rate_limiter(settings, drivers),
        long_poll_seconds=settings.task_poll_ms / 1000,
        tag_limit=settings.tag_limit,
        legacy_fields=settings.legacy_fields,
        strict=settings.strict,
        cells=cells,
        instance_cache=InstanceCache(settings.instance_cache << 20, checked=settings.instance_cache_checked),
        read_start_report=partial(read_start_report, settings),
    )


def _make_retention_job(settings: Settings, db: Database, clock: CloudClock, metrics: ServerMetrics) -> RetentionJob:
    periods = RetentionPeriods(
        audit_log_days=settings.audit_log_days, task_days=settings.task_days, usage_days=settings.usage_days
    )
    return RetentionJob(db, periods, clock.now, RetentionMetrics(metrics.registry).count_run)


@asynccontextmanager
async def open_api_keys(settings: Settings) -> AsyncIterator[ApiKeyAdmin]:
    """Open the API keys of a database without a server. Raises NoCloud."""
    async with _open_without_server(settings) as db:
        await check_has_tenants(db)
        yield ApiKeyAdmin(db, await _read_clock(db), settings.data)


@asynccontextmanager
async def open_users(settings: Settings) -> AsyncIterator[UserAdmin]:
    """Open the users of a database without a server. Raises NoCloud."""
    async with _open_without_server(settings) as db:
        await check_has_tenants(db)
        yield UserAdmin(db, await _read_clock(db))


@asynccontextmanager
async def open_database_checks(settings: Settings) -> AsyncIterator[DatabaseChecks]:
    """Open the checks of a database without a server. Raises NoCloud."""
    async with _open_without_server(settings) as db:
        yield DatabaseChecks(db)


@asynccontextmanager
async def open_database_status(settings: Settings) -> AsyncIterator[DatabaseStatus]:
    """Open the status of a database of any version, which is not migrated. Raises NoCloud."""
    check_database_file(settings)
    db = make_database(settings.database, settings.data)
    try:
        yield DatabaseStatus(db, read_system_time)
    finally:
        await db.close()


async def _read_clock(db: Database) -> int:
    """Return the time of the cloud."""
    async with db.read() as tx:
        return (await clocks.get_setting(tx)).time_at(read_system_time())


async def rotate_secrets(settings: Settings, *, add_key: bool) -> int:
    """Encrypt all secrets of a database by the newest key; return the number that were not.

    With `add_key` a new key is put into the file first. Raises NoCloud, SecretsKeyError or Unavailable.
    """
    async with _open_without_server(settings, with_secrets=True) as db:
        return await secret_keys.rotate_secrets(db, add_key=add_key)


@asynccontextmanager
async def _open_without_server(settings: Settings, *, with_secrets: bool = False) -> AsyncIterator[Database]:
    make_new_files_private()
    check_database_file(settings)
    db = await open_database(
        settings.database, settings.data, secrets_key=settings.secrets_key, with_secrets=with_secrets
    )
    try:
        await check_first_tenant(db)
        yield db
    finally:
        await db.close()


def _on_task_end(metrics: ServerMetrics, task_waiters: TaskWaiters, now: Callable[[], int]) -> OnTaskEnd:
    """Return a callback that counts a task that has ended, and notifies the requests that wait for it."""

    def handle(task: Task, state: str) -> None:
        metrics.count_task(task.task_type, state, max(0, now() - task.created_at) / 1_000_000)
        task_waiters.wake_waiters_of_task(task)

    return handle


@asynccontextmanager
async def _run_in_background(*workers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    running = [asyncio.create_task(worker) for worker in workers]
    try:
        yield
    finally:
        # The engine itself needs time to cancel its tasks.
        await cancel_and_wait(*running, patience=3 * PATIENCE)
