"""The composition root: the one module that knows every room, and puts the program together."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Litestar
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.context import AppState
from pileus.api.middleware import HttpMetrics
from pileus.api.wire.account.user_actions import encode_audit_event
from pileus.api_keys import ApiKeyAdmin
from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig, DriverFactory
from pileus.drivers.protocols.guests import Watches
from pileus.drivers.registry import find_driver, load
from pileus.initial_data import load_catalogue, open_seeded_database, seed
from pileus.outbound.notifier import Messenger
from pileus.settings import Settings
from pileus.store.schema import open_database
from pileus.tasks.account.deliveries import Deliverer
from pileus.tasks.cancellation import PATIENCE, cancel_and_wait
from pileus.tasks.completion import TaskWaiters
from pileus.tasks.engine import Engine, OnTaskEnd
from pileus.tasks.fault_injection import StoredFaultInjector
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.reconciler import Reconciler
from pileus.tasks.storage.scheduler import Scheduler

VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


@dataclass(slots=True)
class RunningCloud:
    """A cloud whose parts are at work; `first_token` is the administrator's key if it was made just now."""

    app: Litestar
    cloud: AppState
    engine: Engine
    driver: Compute
    first_token: str | None


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A random id (version 4), in half the time that the standard library takes: every change makes one or more."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def make_driver(settings: Settings, catalogue: Catalogue) -> Compute:
    """Create the driver that the settings name. Raises UnknownDriver, or OSError if the driver cannot be created."""
    factory: DriverFactory = load(find_driver(settings.driver))
    limits = DownloadLimits(
        max_bytes=settings.image_limit << 30,
        seconds=settings.image_timeout,
        allow_private=settings.image_sources == "any",
    )
    own = settings.of_driver(settings.driver)
    return factory.create(DriverConfig(settings.data, catalogue, own, limits, settings.address))


def make_app(settings: Settings, running: RunningCloud | None = None) -> Litestar:
    """The ASGI application; without a running cloud it serves to look at its routes and schema."""
    return create_app(settings, running.cloud if running else None, HttpMetrics(CollectorRegistry()))


@asynccontextmanager
async def run_cloud(settings: Settings, *, only: bool = False) -> AsyncIterator[RunningCloud]:
    """Open the database, start driver, engine and reconciler, and stop them in turn."""
    figures = HttpMetrics(CollectorRegistry())
    async with open_seeded_database(settings, figures.count_commit, single_process=only) as home:
        db, catalogue = home.db, home.catalogue
        driver = make_driver(settings, catalogue)
        endings = TaskWaiters()
        engine = Engine(
            db,
            OPERATIONS,
            driver,
            catalogue,
            now,
            new_id,
            lease=int(settings.lease_seconds * 1_000_000),
            fault_injector=StoredFaultInjector(db),
            on_task_end=_teller(figures, endings),
        )
        notifier = Messenger(allow_private=settings.subscribers == "any")
        cloud = AppState(
            db,
            catalogue,
            now,
            new_id,
            engine.nudge,
            driver,
            notifier,
            legacy_fields=settings.legacy_fields,
            task_waiters=endings,
        )
        app = create_app(settings, cloud, figures)
        scheduler = Scheduler(db, catalogue, now, new_id, engine.nudge)
        deliverer = Deliverer(db, notifier, encode_audit_event, now)
        reconciler = Reconciler(db, driver, now)
        watching = [reconciler.watch(driver)] if isinstance(driver, Watches) else []
        async with _working(engine.run(), reconciler.run(), scheduler.run(), deliverer.run(), *watching):
            yield RunningCloud(app, cloud, engine, driver, home.first_token)


@asynccontextmanager
async def keys(settings: Settings) -> AsyncIterator[ApiKeyAdmin]:
    """The API keys of a database, made ready if it is new, without starting anything else."""
    data = Path(settings.data)
    db = await open_database(settings.database, data)
    try:
        room = ApiKeyAdmin(db, now())
        if not await room.is_seeded():
            await seed(db, load_catalogue(settings), given_key=settings.api_key, data=data, now=room.now)
        yield room
    finally:
        await db.close()


def _teller(figures: HttpMetrics, endings: TaskWaiters) -> OnTaskEnd:
    """Count each task that ends, and tell whoever waits for it."""

    def tell(task: Task, state: str) -> None:
        figures.tasks.labels(task.task_type, state).inc()
        endings.notify(task)

    return tell


@asynccontextmanager
async def _working(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    working = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        # The engine has to have the time to tell its own work again.
        await cancel_and_wait(*working, patience=3 * PATIENCE)
