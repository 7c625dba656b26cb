"""Every operation under one harness: whatever goes wrong, wherever, nothing is left behind and nothing stays locked.

A new operation is tested from the moment it is registered: without a story in `stories.py` it fails here.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.context import AppState
from pileus.api.middleware import HttpMetrics
from pileus.app import RunningCloud, new_id
from pileus.domain.errors import Conflict
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import Fetching
from pileus.drivers.simulated.driver import Simulated
from pileus.initial_data import catalogue_of, seed
from pileus.outbound.notifier import Messenger
from pileus.settings import Settings
from pileus.store import tasks
from pileus.store.database import Tx
from pileus.store.schema import open_database
from pileus.tasks.engine import Engine
from pileus.tasks.operation import Created, Do, Operation, Step, TaskContext
from pileus.tasks.operations import OPERATIONS
from tests.databases import BACKENDS, database_url
from tests.tasks.db_snapshot import Rows, difference, everything, locks, wipe
from tests.tasks.scenario import Ask
from tests.tasks.scenarios import STORIES
from tests.tasks.workers import LEASE, Clock, lasting
from tests.tenants import Tenant, new_tenant

NAMES = sorted(STORIES)
PLACES = [(name, at) for name in NAMES for at in range(len(OPERATIONS[name].steps))]
# What leaves everything as it was, once it is done.
INVISIBLE = {"soft_reboot_vm", "soft_reboot_bm", "hard_reboot_vm", "hard_reboot_bm", "revert_volume"}
# What tells how things stand, whatever comes in between.
HOLDING_NOTHING = {"update_port"}
# What makes something new, and may be asked for again meanwhile.
REPEATABLE = HOLDING_NOTHING | {name for name in NAMES if name.startswith("create_")} | {"download_image"}
REPEATABLE -= {"create_ddos_profile", "create_image"}
Bend = Callable[[Step], Step]


class KilledError(BaseException):
    """The worker ends here: nothing is let go of."""


@dataclass(slots=True)
class Idle:
    """A cloud that works only when told, and a tenant in it."""

    tenant: Tenant
    clock: Clock
    world: Path
    before: Rows = field(default_factory=dict)

    async def everything(self) -> Rows:
        """All there is now."""
        return await everything(self.tenant.running.cloud.db, self.world)

    async def locks(self) -> list[Any]:
        """What a task holds now."""
        return locks(await self.everything(), self.tenant.client_id)

    async def asked(self, ask: Ask) -> Task:
        """The task that a request has begun."""
        answer = await ask(self.tenant)
        assert answer.is_success, answer.text
        async with self.tenant.running.cloud.db.read() as tx:
            (fresh,) = await tasks.TABLE.find(tx, "client_id = :id AND state = 'NEW'", id=self.tenant.client_id)
        return fresh

    async def task(self, task_id: str) -> Task:
        """A task as it is written down."""
        async with self.tenant.running.cloud.db.read() as tx:
            return await tasks.get(tx, self.tenant.client_id, task_id)

    async def work(self, operation: Operation) -> None:
        """Let a worker do what it can, and time pass."""
        running = self.tenant.running
        await replace(running.engine, operations={**OPERATIONS, operation.task_type: operation}).run_until_idle()
        self.clock.pass_by(LEASE + 1)


@pytest.fixture(scope="module", params=BACKENDS)
async def idle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCloud]:
    """A cloud whose engine does not run by itself, on each database."""
    data, clock, catalogue = tmp_path_factory.mktemp("idle"), Clock(), catalogue_of(Settings())
    with database_url(request.param) as url:
        db, driver = await open_database(url, data), Simulated(data / "simulated.db", fetching=Fetching(anywhere=True))
        await seed(db, catalogue, given_key="", data=data, now=clock())
        cloud = AppState(db, catalogue, clock, new_id, lambda: None, driver, Messenger(), patience=0)
        engine = Engine(db, OPERATIONS, driver, catalogue, clock, new_id, lease=LEASE)
        yield RunningCloud(create_app(Settings(), cloud, HttpMetrics(CollectorRegistry())), cloud, engine, driver, None)
        await db.close()
        driver.close()


@pytest.fixture
async def stage(idle: RunningCloud, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Idle]:
    """A tenant of the test's own, and nothing but the tenant's things."""
    clock: Any = idle.cloud.now
    world = next(path for path in tmp_path_factory.getbasetemp().glob("idle*/simulated.db") if path.exists())
    async with new_tenant(idle) as tenant:
        yield Idle(tenant, clock, world)
    await wipe(idle.cloud.db, world)


async def begun(stage: Idle, name: str) -> tuple[Ask, Task]:
    """Let a story begin: the request, to be made again, and the task of the first."""
    ask = await STORIES[name].begin(stage.tenant)
    stage.before = await stage.everything()
    return ask, await stage.asked(ask)


def bent(name: str, at: int | None, bend: Bend) -> Operation:
    """An operation with a step, or all of them, bent."""
    steps = [bend(step) if at in (None, number) else step for number, step in enumerate(OPERATIONS[name].steps)]
    return replace(OPERATIONS[name], steps=tuple(steps))


def twice(do: Do) -> Do:
    async def doubly(work: TaskContext) -> None:
        await do(work)
        await do(work)

    return doubly


def doubled(step: Step) -> Step:
    return replace(step, do=twice(step.do), undo=None if step.undo is None else twice(step.undo))


def failing(*, late: bool) -> Bend:
    async def fail(_: TaskContext) -> None:
        raise lasting("injected")

    return lambda step: replace(step, do=_after(step.do, fail) if late else fail)


def killed_once(*, undoing: bool = False) -> Bend:
    """The worker dies after the step's effect, before it is written down."""
    left = [1]

    async def kill(_: TaskContext) -> None:
        if left:
            left.pop()
            raise KilledError

    def bend(step: Step) -> Step:
        if undoing:
            return replace(step, undo=kill if step.undo is None else _after(step.undo, kill))
        return replace(step, do=_after(step.do, kill))

    return bend


def _after(first: Do, then: Do) -> Do:
    async def both(work: TaskContext) -> None:
        await first(work)
        await then(work)

    return both


async def finished(stage: Idle, name: str, task: Task) -> None:
    """The task has done what it was to do, and holds nothing."""
    ended = await stage.task(task.id)
    assert (ended.task_type, ended.state, ended.error) == (name, "FINISHED", None)
    assert await stage.locks() == []


async def failed_without_a_trace(stage: Idle, name: str, task: Task) -> None:
    """All is as before and nothing is held; of what cannot be undone, nothing is held at least."""
    ended, after = await stage.task(task.id), await stage.everything()
    assert (ended.state, ended.created_resources) == ("ERROR", None)
    assert locks(after, stage.tenant.client_id) == []
    if not STORIES[name].lasting:
        assert difference(stage.before, after) == {}


async def ends_when_asked_again(stage: Idle, name: str, ask: Ask) -> None:
    """Another try comes to its end."""
    again = await stage.asked(ask)
    await stage.work(OPERATIONS[name])
    await finished(stage, name, again)


def test_every_operation_has_a_story() -> None:
    assert set(STORIES) == set(OPERATIONS)


@pytest.mark.parametrize("name", NAMES)
async def test_it_comes_to_its_end_and_holds_nothing(stage: Idle, name: str) -> None:
    _, task = await begun(stage, name)
    assert task.task_type == name
    assert (await stage.locks() == []) == (name in HOLDING_NOTHING)

    await stage.work(OPERATIONS[name])

    await finished(stage, name, task)
    assert (difference(stage.before, await stage.everything()) == {}) == (name in INVISIBLE)


@pytest.mark.parametrize("name", NAMES)
async def test_while_it_is_under_way_it_cannot_be_asked_for_again(stage: Idle, name: str) -> None:
    if name in REPEATABLE:
        return
    ask, _ = await begun(stage, name)
    held = await stage.everything()

    answer = await ask(stage.tenant)

    assert answer.status_code == 409
    assert difference(held, await stage.everything()) == {}


@pytest.mark.parametrize("name", NAMES)
async def test_each_step_may_be_done_twice(stage: Idle, name: str) -> None:
    _, task = await begun(stage, name)
    await stage.work(OPERATIONS[name])
    await finished(stage, name, task)
    once = _shape(difference(stage.before, await stage.everything()))

    _, task = await begun(stage, name)
    await stage.work(bent(name, None, doubled))

    await finished(stage, name, task)
    assert _shape(difference(stage.before, await stage.everything())) == once


@pytest.mark.parametrize(("name", "at"), PLACES)
async def test_a_failure_at_any_step_leaves_nothing_behind(stage: Idle, name: str, at: int) -> None:
    """Neither before the step's effect, nor after it, even if everything is done and undone twice."""
    ask, task = await begun(stage, name)
    await stage.work(bent(name, at, failing(late=False)))
    await failed_without_a_trace(stage, name, task)
    assert (await stage.task(task.id)).error == "injected"

    task = await stage.asked(ask)
    operation = bent(name, at, failing(late=True))
    await stage.work(replace(operation, steps=tuple(map(doubled, operation.steps))))
    await failed_without_a_trace(stage, name, task)

    await ends_when_asked_again(stage, name, ask)


@pytest.mark.parametrize(("name", "at"), PLACES)
async def test_a_worker_lost_after_any_step_is_followed_by_one_that_ends_it(stage: Idle, name: str, at: int) -> None:
    _, task = await begun(stage, name)
    with pytest.raises(KilledError):
        await stage.work(bent(name, at, killed_once()))
    stage.clock.pass_by(LEASE + 1)

    await stage.work(OPERATIONS[name])

    await finished(stage, name, task)


@pytest.mark.parametrize(("name", "at"), PLACES)
async def test_a_worker_lost_while_undoing_is_followed_by_one_that_undoes_the_rest(
    stage: Idle, name: str, at: int
) -> None:
    ask, task = await begun(stage, name)
    last = len(OPERATIONS[name].steps) - 1
    operation = bent(name, last, failing(late=True))
    steps = [killed_once(undoing=True)(step) if number == at else step for number, step in enumerate(operation.steps)]
    with pytest.raises(KilledError):
        await stage.work(replace(operation, steps=tuple(steps)))
    stage.clock.pass_by(LEASE + 1)

    await stage.work(OPERATIONS[name])

    await failed_without_a_trace(stage, name, task)
    await ends_when_asked_again(stage, name, ask)


@pytest.mark.parametrize("name", NAMES)
async def test_an_end_that_a_rule_forbids_leaves_nothing_behind(stage: Idle, name: str) -> None:
    ask, task = await begun(stage, name)

    async def done(tx: Tx, work: TaskContext) -> Created | None:
        await OPERATIONS[name].done(tx, work)
        raise Conflict("Something else has come in between")

    await stage.work(replace(OPERATIONS[name], done=done))

    await failed_without_a_trace(stage, name, task)
    await ends_when_asked_again(stage, name, ask)


def _shape(changes: dict[str, list[Any]]) -> dict[str, tuple[int, int]]:
    """How much has come and gone in each table."""
    return {
        table: (sum(kind == "new" for kind, _ in rows), sum(kind == "gone" for kind, _ in rows))
        for table, rows in changes.items()
    }
