"""One harness for every operation: whichever step fails, nothing is left behind and nothing stays locked.

A new operation is tested as soon as it is registered; it needs a scenario in `scenarios.py`.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.context import AppState
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud
from pileus.domain.errors import Conflict
from pileus.domain.ids import IdMaker
from pileus.domain.tasks import Task
from pileus.drivers.protocols.config import DownloadLimits
from pileus.initial_data import load_catalogue, seed_database
from pileus.outbound.notifier import SubscriptionNotifier
from pileus.services.resets import FirstContents
from pileus.settings import Settings
from pileus.store import tasks
from pileus.store.compute.instance_cache import InstanceCache
from pileus.store.count_checks import find_wrong_counts
from pileus.store.database import Tx
from pileus.store.schema import open_database
from pileus.tasks.clocks import CloudClock
from pileus.tasks.controls import Controls
from pileus.tasks.engine import Engine
from pileus.tasks.epochs import Epochs
from pileus.tasks.operation import CreatedResources, Operation, TaskContext
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.resets import CloudResets
from pileus.tasks.states import CloudStates
from tests.databases import BACKENDS, database_url
from tests.simulated_cloud import a_driver, drivers_of_regions
from tests.tasks.db_snapshot import Rows, delete_tenant_rows, diff_rows, load_all_rows, locked_rows
from tests.tasks.modified_steps import KilledError, doubled, failing, forbidden, killed_once, lasting, with_step
from tests.tasks.scenario import SendRequest
from tests.tasks.scenarios import SCENARIOS
from tests.tasks.workers import LEASE, Clock
from tests.tenants import Tenant, new_tenant
from tests.watched_transactions import watch_transactions

NAMES = sorted(SCENARIOS)
STEPS = [(name, index) for name in NAMES for index in range(len(OPERATIONS[name].steps))]
# Operations that change no compared column.
INVISIBLE = {"soft_reboot_vm", "soft_reboot_bm", "hard_reboot_vm", "hard_reboot_bm", "revert_volume"}
# Operations that lock nothing.
WITHOUT_LOCKS = {"update_port"}
# Operations that create something new each time, and may be requested again meanwhile.
REPEATABLE = WITHOUT_LOCKS | {name for name in NAMES if name.startswith("create_")} | {"download_image"}
REPEATABLE -= {"create_ddos_profile", "create_image", "create_subnet"}


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
        """Send the request, and return the task that it has started."""
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


async def write_nothing(_tx: Tx, _contents: FirstContents) -> None:
    """Leave a cloud without contents: no test resets it."""


async def write_nothing_more(_tx: Tx) -> None:
    """Add nothing to a state: no test loads one."""


@pytest.fixture(scope="module", params=BACKENDS)
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningCloud]:
    """A cloud whose engine does not run by itself, on each database."""
    data, clock, catalogue = tmp_path_factory.mktemp("operations"), Clock(), load_catalogue(Settings())
    with database_url(request.param) as url:
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


@pytest.fixture
async def idle(running: RunningCloud) -> AsyncIterator[IdleCloud]:
    """A new tenant, whose rows are the only ones of tenants."""
    clock: Any = running.app_state.clock.system_now
    async with new_tenant(running) as tenant:
        yield IdleCloud(tenant, clock)
    await delete_tenant_rows(running.app_state.db)


async def start_scenario(idle: IdleCloud, name: str) -> tuple[SendRequest, Task]:
    """Prepare a scenario and send its request; return the request, for repetition, and its task."""
    send = await SCENARIOS[name].prepare(idle.tenant)
    idle.before = await idle.load_all_rows()
    return send, await idle.start(send)


async def check_finished(idle: IdleCloud, name: str, task: Task) -> None:
    """The task has finished, and nothing is locked."""
    ended = await idle.load_task(task.id)
    assert (ended.task_type, ended.state, ended.error) == (name, "FINISHED", None)
    assert await idle.list_locked_rows() == []
    assert await find_wrong_counts(idle.tenant.running.app_state.db) == []


async def check_undone(idle: IdleCloud, name: str, task: Task) -> None:
    """The task has failed and nothing is locked; unless it is irreversible, all rows are as before."""
    ended, after = await idle.load_task(task.id), await idle.load_all_rows()
    assert (ended.state, ended.created_resources) == ("ERROR", None)
    assert locked_rows(after, idle.tenant.client_id) == []
    assert await find_wrong_counts(idle.tenant.running.app_state.db) == []
    if not SCENARIOS[name].irreversible:
        assert diff_rows(idle.before, after) == {}


async def check_repeatable(idle: IdleCloud, name: str, send: SendRequest) -> None:
    """The task of a repeated request finishes."""
    task = await idle.start(send)
    await idle.run_engine(OPERATIONS[name])
    await check_finished(idle, name, task)


def test_every_operation_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(OPERATIONS)


@pytest.mark.parametrize("name", NAMES)
async def test_an_operation_finishes_and_unlocks_everything(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    assert task.task_type == name
    assert (await idle.list_locked_rows() == []) == (name in WITHOUT_LOCKS)

    await idle.run_engine(OPERATIONS[name])

    await check_finished(idle, name, task)
    assert (diff_rows(idle.before, await idle.load_all_rows()) == {}) == (name in INVISIBLE)


@pytest.mark.parametrize("name", NAMES)
async def test_a_second_request_during_the_task_is_409(idle: IdleCloud, name: str) -> None:
    if name in REPEATABLE:
        return
    send, _ = await start_scenario(idle, name)
    during = await idle.load_all_rows()

    answer = await send(idle.tenant)

    assert answer.status_code == 409
    assert diff_rows(during, await idle.load_all_rows()) == {}


@pytest.mark.parametrize("name", NAMES)
async def test_each_step_is_idempotent(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name])
    await check_finished(idle, name, task)
    once = _shape(diff_rows(idle.before, await idle.load_all_rows()))

    _, task = await start_scenario(idle, name)
    await idle.run_engine(with_step(name, None, doubled))

    await check_finished(idle, name, task)
    assert _shape(diff_rows(idle.before, await idle.load_all_rows())) == once


@pytest.mark.parametrize("name", NAMES)
async def test_an_instant_engine_leaves_what_another_one_leaves(idle: IdleCloud, name: str) -> None:
    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name])
    changes = _shape(diff_rows(idle.before, await idle.load_all_rows()))

    _, task = await start_scenario(idle, name)
    await idle.run_engine(OPERATIONS[name], is_instant=True)

    await check_finished(idle, name, task)
    assert (await idle.load_task(task.id)).lease_token is None
    assert _shape(diff_rows(idle.before, await idle.load_all_rows())) == changes


@pytest.mark.parametrize("name", [name for name in NAMES if OPERATIONS[name].steps])
async def test_a_failure_of_an_instant_engine_leaves_nothing_behind(idle: IdleCloud, name: str) -> None:
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    await idle.run_engine(with_step(name, last, failing(after_effect=True)), is_instant=True)

    await check_undone(idle, name, task)
    task = await idle.start(send)
    await idle.run_engine(OPERATIONS[name], is_instant=True)
    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_a_failure_at_any_step_leaves_nothing_behind(idle: IdleCloud, name: str, index: int) -> None:
    """Neither before the effect of the step, nor after it, even if everything is done and undone twice."""
    send, task = await start_scenario(idle, name)
    await idle.run_engine(with_step(name, index, failing(after_effect=False)))
    await check_undone(idle, name, task)
    assert (await idle.load_task(task.id)).error == "injected"

    task = await idle.start(send)
    operation = with_step(name, index, failing(after_effect=True))
    await idle.run_engine(replace(operation, steps=tuple(map(doubled, operation.steps))))
    await check_undone(idle, name, task)

    await check_repeatable(idle, name, send)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_after_a_worker_died_in_any_step_another_one_finishes_the_task(
    idle: IdleCloud, name: str, index: int
) -> None:
    """Steps that took no time run again."""
    _, task = await start_scenario(idle, name)
    with pytest.raises(KilledError):
        await idle.run_engine(with_step(name, index, killed_once()))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(OPERATIONS[name])

    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_steps_that_last_do_not_run_again_after_a_worker_died(idle: IdleCloud, name: str, index: int) -> None:
    _, task = await start_scenario(idle, name)
    steps = list(map(lasting(idle.clock), OPERATIONS[name].steps))
    steps[index] = killed_once()(steps[index])
    with pytest.raises(KilledError):
        await idle.run_engine(replace(OPERATIONS[name], steps=tuple(steps)))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(replace(OPERATIONS[name], steps=(*map(forbidden, steps[:index]), *steps[index:])))

    await check_finished(idle, name, task)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_a_failure_after_a_worker_died_undoes_what_it_had_done(idle: IdleCloud, name: str, index: int) -> None:
    """Also if the failure comes before a step that the worker had finished."""
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    with pytest.raises(KilledError):
        await idle.run_engine(with_step(name, last, killed_once()))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(with_step(name, index, failing(after_effect=False)))

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


@pytest.mark.parametrize(("name", "index"), STEPS)
async def test_after_a_worker_died_while_undoing_another_one_undoes_the_rest(
    idle: IdleCloud, name: str, index: int
) -> None:
    send, task = await start_scenario(idle, name)
    last = len(OPERATIONS[name].steps) - 1
    operation = with_step(name, last, failing(after_effect=True))
    steps = [
        killed_once(undoing=True)(step) if number == index else step for number, step in enumerate(operation.steps)
    ]
    with pytest.raises(KilledError):
        await idle.run_engine(replace(operation, steps=tuple(steps)))
    idle.clock.advance(LEASE + 1)

    await idle.run_engine(OPERATIONS[name])

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


@pytest.mark.parametrize("name", NAMES)
async def test_a_problem_at_the_end_leaves_nothing_behind(idle: IdleCloud, name: str) -> None:
    send, task = await start_scenario(idle, name)

    async def done(tx: Tx, ctx: TaskContext[Any]) -> CreatedResources | None:
        await OPERATIONS[name].done(tx, ctx)
        raise Conflict("Something else has come in between")

    await idle.run_engine(replace(OPERATIONS[name], done=done))

    await check_undone(idle, name, task)
    await check_repeatable(idle, name, send)


def _shape(changes: dict[str, list[Any]]) -> dict[str, tuple[int, int]]:
    """Return the numbers of new and of removed rows of each table."""
    return {
        table: (sum(kind == "new" for kind, _ in rows), sum(kind == "removed" for kind, _ in rows))
        for table, rows in changes.items()
    }
