"""A cloud whose engine runs only on demand."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.context import AppState
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud
from pileus.domain.ids import IdMaker
from pileus.domain.tasks import Task
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.simulated.driver import Simulated
from pileus.initial_data import load_catalogue, seed_database
from pileus.outbound.notifier import SubscriptionNotifier
from pileus.services.resets import FirstContents
from pileus.settings import Settings
from pileus.store import tasks
from pileus.store.compute.instance_cache import InstanceCache
from pileus.store.database import Tx
from pileus.store.schema import open_database
from pileus.tasks.clocks import CloudClock
from pileus.tasks.controls import Controls
from pileus.tasks.engine import Engine
from pileus.tasks.epochs import Epochs
from pileus.tasks.operation import Operation
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.resets import CloudResets
from pileus.tasks.states import CloudStates
from tests.databases import database_url
from tests.simulated_cloud import a_driver, drivers_of_regions
from tests.tasks.db_snapshot import Rows, load_all_rows, locked_rows
from tests.tasks.scenario import SendRequest, request
from tests.tasks.workers import LEASE, Clock
from tests.tenants import Tenant
from tests.watched_transactions import watch_transactions


# asyncio describes what a fixture returns each time that it runs a coroutine: a short description is fast.
@dataclass(slots=True, repr=False)
class IdleCloud:
    """A cloud whose engine runs only on demand, and a tenant."""

    tenant: Tenant
    clock: Clock
    before: Rows = field(default_factory=Rows)

    async def load_all_rows(self) -> Rows:
        """Return all rows of the database, in which the driver's are too."""
        return await load_all_rows(self.tenant.running.app_state.db)

    async def list_locked_rows(self) -> list[Any]:
        """Return the rows that a task has locked."""
        return locked_rows(await self.load_all_rows(), self.tenant.client_id)

    async def start(self, send: SendRequest) -> Task:
        """Send the request, and return the task that it has started; the only one that is new."""
        answer = await send(self.tenant)
        assert answer.is_success, answer.text
        async with self.tenant.running.app_state.db.read() as tx:
            (task,) = await tasks.TABLE.find(tx, "client_id = :id AND state = 'NEW'", id=self.tenant.client_id)
        return task

    async def load_task(self, task_id: str) -> Task:
        """Return a task as it is saved."""
        async with self.tenant.running.app_state.db.read() as tx:
            return await tasks.get(tx, self.tenant.client_id, task_id)

    async def run_engine(self, operation: Operation[Any], *, is_instant: bool = False) -> None:
        """Run the engine with this operation until it is idle, then let its leases expire."""
        operations = {**OPERATIONS, operation.task_type.name: operation}
        engine = replace(self.tenant.running.engine, operations=operations, is_instant=is_instant)
        await engine.run_until_idle()
        self.clock.advance(LEASE + 1)

    async def perform(
        self, method: str, path: str, body: Any = None, *, operation: Operation[Any] | None = None
    ) -> Task:
        """Send a request, run its task while the leases of others last, and return it as it is saved then."""
        task = await self.start(request(method, path, body))
        operations = {**OPERATIONS, task.task_type: operation or OPERATIONS[task.task_type]}
        await replace(self.tenant.running.engine, operations=operations).run_until_idle()
        return await self.load_task(task.id)

    def before_first_call(
        self, monkeypatch: pytest.MonkeyPatch, method: str, then: Callable[[], Awaitable[object]]
    ) -> None:
        """Do something else when a method of the simulated driver is called for the first time, before its effect.

        So what happens in another slot ends before a call that has begun earlier.
        """
        real, calls = getattr(Simulated, method), [then]

        async def call(driver: Simulated, *args: Any) -> None:
            if calls:
                await calls.pop()()
            await real(driver, *args)

        monkeypatch.setattr(Simulated, method, call)


async def write_nothing(_tx: Tx, _contents: FirstContents) -> None:
    """Leave a cloud without contents: no test resets it."""


async def write_nothing_more(_tx: Tx) -> None:
    """Add nothing to a state: no test loads one."""


@asynccontextmanager
async def run_idle_cloud(backend: str, data: Path) -> AsyncIterator[RunningCloud]:
    """Run a cloud whose engine does not run by itself."""
    clock, catalogue = Clock(), load_catalogue(Settings())
    with database_url(backend) as url:
        db = await open_database(url, data)
        drivers = drivers_of_regions(a_driver(db, download_limits=DownloadLimits(allow_private=True, enabled=True)))
        await seed_database(db, catalogue, given_key="", data=data, now=clock())
        id_maker = IdMaker(clock, os.urandom)
        controls, epochs = Controls(db), Epochs()
        resets = CloudResets(controls, epochs, write_nothing)
        cloud = AppState(
            db,
            catalogue,
            CloudClock(clock),
            id_maker.new_id,
            id_maker.new_ordered_id,
            lambda: None,
            drivers,
            SubscriptionNotifier(),
            20_000,
            controls,
            epochs,
            resets,
            CloudStates(db, catalogue, resets, write_nothing_more),
            patience=0,
            instance_cache=InstanceCache(1 << 20, checked=True),
        )
        engine = Engine(db, OPERATIONS, drivers, catalogue, cloud.clock, id_maker.new_id, lease=LEASE)
        app = create_app(Settings(), cloud, ServerMetrics(CollectorRegistry()))
        with watch_transactions(db) as watched:
            yield RunningCloud(app, cloud, engine, drivers, None)
        await db.close()
        assert watched.list_mixed() == set()
