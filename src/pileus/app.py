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

from pileus.api.application import application
from pileus.api.call import Cloud
from pileus.api.observing import Figures
from pileus.api.wire.account.user_actions import written
from pileus.domain.catalogue import Catalogue
from pileus.domain.tasks import Task
from pileus.drivers.driver import Compute, Fetching, Hosting, Maker, Rehearses, Setup
from pileus.drivers.guests import Watches
from pileus.drivers.named import named
from pileus.drivers.notifying import Messenger
from pileus.key_room import KeyRoom
from pileus.seeding import catalogue_of, furnished, seed
from pileus.settings import Settings
from pileus.store.schema import opened
from pileus.tasks.account.deliveries import Deliverer
from pileus.tasks.endings import Endings
from pileus.tasks.engine import Ended, Engine
from pileus.tasks.interference import Faults
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.reconcile import Reconciler
from pileus.tasks.stopping import PATIENCE, stopped
from pileus.tasks.storage.scheduling import Scheduler

VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


@dataclass(slots=True)
class Running:
    """A cloud whose parts are at work; `first_token` is the administrator's key if it was made just now."""

    app: Litestar
    cloud: Cloud
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


def driver_of(settings: Settings, catalogue: Catalogue) -> Compute:
    """What runs the machines; raises UnknownDriver."""
    maker: Maker = named(settings.driver).load()
    fetching = Fetching(
        largest=settings.image_limit << 30, seconds=settings.image_timeout, anywhere=settings.image_sources == "any"
    )
    hosting = Hosting(
        user=settings.qemu_user,
        accelerator=settings.qemu_accelerator,
        cpu_ratio=settings.qemu_cpu_ratio,
        ram_ratio=settings.qemu_ram_ratio,
        resume=settings.qemu_resume,
        bridges=dict(pair.split("=", 1) for pair in filter(None, settings.qemu_bridges.split(","))),
    )
    driver = maker.made(
        Setup(settings.data, catalogue, fetching=fetching, hosting=hosting, public_url=settings.address)
    )
    if isinstance(driver, Rehearses) and settings.simulated_time == "realistic":
        driver.set_time(settings.simulated_time)
    return driver


def create(settings: Settings, running: Running | None = None) -> Litestar:
    """The ASGI application; without a running cloud it serves to look at its routes and schema."""
    return application(settings, running.cloud if running else None, Figures(CollectorRegistry()))


@asynccontextmanager
async def started(settings: Settings, *, only: bool = False) -> AsyncIterator[Running]:
    """Open the database, start driver, engine and reconciler, and stop them in turn; `only` is for `furnished`."""
    figures = Figures(CollectorRegistry())
    async with furnished(settings, figures.committed, only=only) as home:
        db, catalogue = home.db, home.catalogue
        driver = driver_of(settings, catalogue)
        endings = Endings()
        engine = Engine(
            db,
            OPERATIONS,
            driver,
            catalogue,
            now,
            new_id,
            lease=int(settings.lease_seconds * 1_000_000),
            interference=Faults(db),
            ended=_teller(figures, endings),
        )
        notifier = Messenger(anywhere=settings.subscribers == "any")
        cloud = Cloud(
            db,
            catalogue,
            now,
            new_id,
            engine.nudge,
            driver,
            notifier,
            legacy_fields=settings.legacy_fields,
            endings=endings,
        )
        app = application(settings, cloud, figures)
        scheduler = Scheduler(db, catalogue, now, new_id, engine.nudge)
        deliverer = Deliverer(db, notifier, written, now)
        reconciler = Reconciler(db, driver, now)
        watching = [reconciler.look_after(driver)] if isinstance(driver, Watches) else []
        async with _working(engine.run(), reconciler.run(), scheduler.run(), deliverer.run(), *watching):
            yield Running(app, cloud, engine, driver, home.first_token)


@asynccontextmanager
async def keys(settings: Settings) -> AsyncIterator[KeyRoom]:
    """The API keys of a database, made ready if it is new, without starting anything else."""
    data = Path(settings.data)
    db = await opened(settings.database, data)
    try:
        room = KeyRoom(db, now())
        if not await room.is_furnished():
            await seed(db, catalogue_of(settings), given_key=settings.api_key, data=data, now=room.now)
        yield room
    finally:
        await db.close()


def _teller(figures: Figures, endings: Endings) -> Ended:
    """Count each task that ends, and tell whoever waits for it."""

    def tell(task: Task, state: str) -> None:
        figures.tasks.labels(task.task_type, state).inc()
        endings.tell(task)

    return tell


@asynccontextmanager
async def _working(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    working = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        # The engine has to have the time to tell its own work again.
        await stopped(*working, patience=3 * PATIENCE)
