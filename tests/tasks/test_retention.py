"""Old rows are deleted after their retention period, in small batches, by one process at a time."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pileus.api.retention_metrics import RetentionMetrics
from pileus.domain.account.api_keys import ApiKey
from pileus.domain.account.login_sessions import LoginSession
from pileus.domain.account.projects import Project
from pileus.domain.account.subscriptions import Subscription, WebhookTarget
from pileus.domain.account.usage_reports import TimeWindow, UsageRecord
from pileus.domain.account.user_actions import UserAction
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.domain.retention import DAY, RetentionClass, RetentionPeriods
from pileus.domain.tasks import TaskState
from pileus.store import retention, tasks
from pileus.store.account import api_keys, clients, login_sessions, metering, projects, subscriptions, user_actions
from pileus.store.database import Database, Tx
from pileus.store.network import ddos_profiles
from pileus.store.retention import BATCH_SIZE, CLIENTS_PER_PAGE, EXPIRING_TABLES
from pileus.store.storage import volumes
from pileus.tasks.retention import CLAIM, INTERVAL, PAUSE, RetentionJob
from tests.domain.builders import NOW, a_volume
from tests.tasks.workers import Workbench, a_task

PERIODS = RetentionPeriods(audit_log_days=90, task_days=30, usage_days=400)
FOREVER = RetentionPeriods(audit_log_days=0, task_days=0, usage_days=0)
CLIENT = 1
SQLITE = pytest.mark.parametrize("url", [""], ids=["sqlite"])
DAYS_AFTER_THE_PERIOD = 10


@dataclass(slots=True)
class RecordingDatabase:
    """A database that counts its writes."""

    db: Database
    writes: int = 0

    def __getattr__(self, name: str) -> Any:
        """Return what the database has."""
        return getattr(self.db, name)

    async def write(self, work: Any) -> Any:
        """Count a write."""
        self.writes += 1
        return await self.db.write(work)


@dataclass(slots=True)
class Pauses:
    """Records the pauses of a job, and runs a callback in each."""

    seconds: list[float] = field(default_factory=list)
    callback: Any = None

    async def __call__(self, seconds: float) -> None:
        """Record a pause; it takes no time."""
        self.seconds.append(seconds)
        if self.callback:
            await self.callback()


def a_job(bench: Workbench, periods: RetentionPeriods = PERIODS, **changes: Any) -> RetentionJob:
    fields: dict[str, Any] = {"db": bench.db, "sleep": Pauses(), **changes}
    return RetentionJob(periods=periods, now=bench.clock, **fields)


def an_action(action_id: str, days: float, client_id: int = CLIENT) -> UserAction:
    """Return a line of the audit log that is so many days old."""
    nothing = dict.fromkeys(("email", "token_id", "action_data", "task_id", "source_user_ip", "user_agent"))
    place: dict[str, Any] = {"client_id": client_id, "user_id": 1, "project_id": 1, "region_id": 1}
    return UserAction(
        id=action_id,
        api_group="instance",
        action_type="update",
        resources=[],
        created_at=NOW - int(days * DAY),
        **place,
        **nothing,  # type: ignore[arg-type]  # fields that may be None
    )


def a_usage_record(resource_id: str, started: float, ended: float, **changes: Any) -> UsageRecord:
    """Return usage between two times, in days before now."""
    fields = {"client_id": CLIENT, "project_id": 1, "region_id": 1, "name": "data", "type": "volume", **changes}
    facts = {"volume_type": "standard", "last_size": 5}
    started_at, ended_at = NOW - int(started * DAY), NOW - int(ended * DAY)
    return UsageRecord(resource_id=resource_id, started_at=started_at, ended_at=ended_at, facts=facts, **fields)


async def add_client(bench: Workbench, client_id: int = CLIENT) -> None:
    await bench.db.write(lambda tx: clients.add(tx, client_id, "one", NOW))


async def add_actions(bench: Workbench, *actions: UserAction) -> None:
    async def write(tx: Tx) -> None:
        for action in actions:
            await user_actions.add(tx, action, action.created_at)

    await bench.db.write(write)


async def ids(bench: Workbench, table: str, column: str = "id") -> list[Any]:
    async with bench.db.scan() as tx:
        return [row[0] for row in await tx.all(f"SELECT {column} FROM {table} ORDER BY {column}")]


async def add_one_old_and_one_new_row_of_each_table(tx: Tx) -> None:
    await clients.add_user(tx, 1, CLIENT, "a@example.org", NOW)
    for number, days in enumerate((500, 1), start=1):
        then = NOW - days * DAY
        await user_actions.add(tx, an_action(f"action-{number}", days), then)
        await tasks.add(tx, a_task(id=f"task-{number}", state=TaskState.FINISHED, created_at=then, finished_at=then))
        await metering.TABLE.add(tx, a_usage_record(f"volume-{number}", days + 1, days))
        project = Project(id=number, client_id=CLIENT, name=f"p{number}", created_at=then, deleted_at=then)
        await projects.add(tx, project)
        await add_credentials(tx, number, then)
        alarm: dict[str, Any] = {
            "region_id": 1,
            "destination_ip": "192.0.2.1",
            "alarm_state": "ended",
            "started_at": then,
        }
        port = BlackholePort(id=number, client_id=CLIENT, ended_at=then, **alarm)
        await ddos_profiles.add_blackhole(tx, port)


async def add_credentials(tx: Tx, number: int, then: int) -> None:
    """Add keys that were revoked or have expired, and a login whose older one has expired."""
    owner: dict[str, Any] = {"client_id": CLIENT, "user_id": 1, "name": "key", "role": "Users", "digest": "x"}
    await api_keys.add(tx, ApiKey(id=number, created_at=then, revoked_at=then, **owner))
    await api_keys.add(tx, ApiKey(id=number + 2, created_at=then, expires_at=then, **owner))
    end = then + 2 * DAY
    digests: dict[str, Any] = {"access_digest": "x", "refresh_digest": "x"}
    ends: dict[str, Any] = {"access_expires_at": end, "refresh_expires_at": end}
    times: dict[str, Any] = {"refreshed_at": then, "created_at": then}
    await login_sessions.add(tx, LoginSession(id=f"login-{number}", user_id=1, **digests, **ends, **times))


async def test_rows_are_deleted_after_the_period_of_their_table(bench: Workbench) -> None:
    await add_client(bench)
    await bench.db.write(add_one_old_and_one_new_row_of_each_table)

    deleted = await a_job(bench).run_if_due()

    assert deleted == {
        "user_actions": 1,
        "tasks": 1,
        "usage_records": 1,
        "projects": 1,
        "api_keys": 2,
        "blackhole_ports": 1,
        "login_sessions": 1,
    }
    assert await ids(bench, "user_actions") == ["action-2"]
    assert await ids(bench, "tasks") == ["task-2"]
    assert await ids(bench, "usage_records", "resource_id") == ["volume-2"]
    assert await ids(bench, "projects") == [2]
    assert await ids(bench, "api_keys") == [2, 4]
    assert await ids(bench, "blackhole_ports") == [2]
    assert await ids(bench, "login_sessions") == ["login-2"]


async def test_a_period_of_0_keeps_rows_forever(bench: Workbench) -> None:
    await add_client(bench)
    await bench.db.write(add_one_old_and_one_new_row_of_each_table)

    deleted = await a_job(bench, FOREVER).run_if_due()

    assert deleted is not None
    assert {table for table, count in deleted.items() if count} == {"login_sessions"}


async def test_a_row_stays_until_the_microsecond_in_which_its_period_ends(bench: Workbench) -> None:
    await add_client(bench)
    await add_actions(bench, an_action("a", 90))

    assert await a_job(bench).run_if_due() == dict.fromkeys((table.name for table in EXPIRING_TABLES), 0)
    bench.clock.advance(INTERVAL)
    deleted = await a_job(bench).run_if_due()

    assert deleted is not None
    assert deleted["user_actions"] == 1


async def test_tasks_that_have_not_ended_or_ended_recently_are_kept(bench: Workbench) -> None:
    await add_client(bench)
    old: dict[str, Any] = {"created_at": NOW - 100 * DAY}
    await bench.db.write(lambda tx: tasks.add(tx, a_task(id="new", **old)))
    await bench.db.write(lambda tx: tasks.add(tx, a_task(id="running", state=TaskState.RUNNING, **old)))
    ended: dict[str, Any] = {"state": TaskState.ERROR, "finished_at": NOW - 29 * DAY, **old}
    await bench.db.write(lambda tx: tasks.add(tx, a_task(id="long", **ended)))

    await a_job(bench).run_if_due()

    assert await ids(bench, "tasks") == ["long", "new", "running"]


async def test_audit_lines_that_a_subscriber_has_still_to_get_are_kept(bench: Workbench) -> None:
    await add_client(bench)
    target = WebhookTarget(url="https://a.example", auth_header_name="x", auth_header_value="y")
    subscription = Subscription(id=1, client_id=CLIENT, kind="log", target=target, created_at=NOW)
    await bench.db.write(lambda tx: subscriptions.add(tx, subscription))
    await add_actions(bench, an_action("pending", 100), an_action("sent", 100))
    await bench.db.write(lambda tx: subscriptions.acknowledge_deliveries(tx, 1, ["sent"], []))

    await a_job(bench).run_if_due()
    assert await ids(bench, "user_actions") == ["pending"]

    await bench.db.write(lambda tx: subscriptions.acknowledge_deliveries(tx, 1, ["pending"], []))
    bench.clock.advance(INTERVAL)
    await a_job(bench).run_if_due()
    assert await ids(bench, "user_actions") == []


async def test_a_transaction_deletes_a_bounded_number_of_rows_and_others_run_in_between(bench: Workbench) -> None:
    await add_client(bench)
    rows = 3 * BATCH_SIZE + 1
    await add_actions(bench, *(an_action(f"a-{number}", 200 - number / rows) for number in range(rows)))
    counts = [rows]

    async def count_rows() -> None:
        counts.append(len(await ids(bench, "user_actions")))

    recording, pauses = RecordingDatabase(bench.db), Pauses(callback=count_rows)
    await a_job(bench, db=recording, sleep=pauses).run_if_due()

    steps = [before - after for before, after in pairwise(counts)]
    assert sorted(step for step in steps if step) == [1, BATCH_SIZE, BATCH_SIZE, BATCH_SIZE]
    assert set(pauses.seconds) == {PAUSE}
    assert recording.writes == 4 + 2, "the batches, and the begin and the end of the claim"


async def test_more_rows_of_one_microsecond_than_a_batch_has_are_deleted(bench: Workbench) -> None:
    await add_client(bench)
    await add_actions(bench, *(an_action(f"a-{number}", 100) for number in range(BATCH_SIZE + 50)))
    await add_actions(bench, an_action("later", 99))

    await a_job(bench).run_if_due()

    assert await ids(bench, "user_actions") == []


async def test_rows_of_all_tenants_are_deleted(bench: Workbench) -> None:
    count = 2 * CLIENTS_PER_PAGE + 1
    for client_id in range(1, count + 1):
        await add_client(bench, client_id)
    await add_actions(bench, *(an_action(f"a-{client_id}", 100, client_id) for client_id in range(1, count + 1)))

    deleted = await a_job(bench).run_if_due()

    assert deleted is not None
    assert deleted["user_actions"] == count


async def test_one_process_at_a_time_deletes_rows_and_another_one_after_an_interval(bench: Workbench) -> None:
    await add_client(bench)
    await add_actions(bench, an_action("a", 100))
    answers = []

    async def run_in_another_process() -> None:
        answers.append(await a_job(bench).run_if_due())

    assert await a_job(bench, sleep=Pauses(callback=run_in_another_process)).run_if_due() is not None
    assert set(answers) == {None}
    bench.clock.advance(INTERVAL - 1)
    assert await a_job(bench).run_if_due() is None
    bench.clock.advance(1)
    assert await a_job(bench).run_if_due() is not None


async def test_two_processes_that_start_together_run_once(bench: Workbench) -> None:
    runs = await asyncio.gather(*(a_job(bench).run_if_due() for _ in range(4)))

    assert len([run for run in runs if run is not None]) == 1


async def test_another_process_takes_over_when_the_claim_of_a_dead_one_has_passed(bench: Workbench) -> None:
    await add_client(bench)
    await add_actions(bench, an_action("a", 100), an_action("b", 99))

    async def die() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await a_job(bench, sleep=Pauses(callback=die)).run_if_due()
    bench.clock.advance(CLAIM - 1)
    assert await a_job(bench).run_if_due() is None
    bench.clock.advance(1)

    assert await a_job(bench).run_if_due() is not None
    assert await ids(bench, "user_actions") == []


async def test_reports_of_the_time_that_is_kept_do_not_change_when_usage_is_deleted(bench: Workbench) -> None:
    """A resized volume: the record of its former size is deleted, and its latest usage began when it was created."""
    await add_client(bench)
    project = Project(id=1, client_id=CLIENT, name="p", created_at=NOW - 900 * DAY)
    await bench.db.write(lambda tx: projects.add(tx, project))
    volume = a_volume(id="resized", client_id=CLIENT, project_id=1, size=9, created_at=NOW - 900 * DAY)
    await bench.db.write(lambda tx: volumes.add(tx, volume))
    for record in (
        a_usage_record("resized", 900, 500),
        a_usage_record("removed", 450, 300),
        a_usage_record("gone", 800, 700),
    ):
        await bench.db.write(lambda tx, record=record: metering.TABLE.add(tx, record))  # type: ignore[misc]
    kept = TimeWindow(NOW - 400 * DAY, NOW)
    before = await usage(bench, kept)

    await a_job(bench).run_if_due()

    assert await ids(bench, "usage_records", "resource_id") == ["removed"]
    assert await usage(bench, kept) == before != []
    assert await usage(bench, TimeWindow(NOW - 900 * DAY, NOW)) == before, "nothing from before, instead of a part"
    assert await usage(bench, TimeWindow(NOW - 900 * DAY, NOW - 401 * DAY)) == []


async def usage(bench: Workbench, window: TimeWindow) -> list[tuple[str, int, int, Any]]:
    async with bench.db.scan() as tx:
        records = await metering.list_usage(tx, CLIENT, window, NOW)
    return sorted((item.resource_id, item.started_at, item.ended_at, item.facts["last_size"]) for item in records)


async def test_usage_that_was_deleted_does_not_come_back_into_reports_when_the_setting_is_raised(
    bench: Workbench,
) -> None:
    await a_job(bench).run_if_due()
    bench.clock.advance(INTERVAL)
    await a_job(bench, FOREVER).run_if_due()

    async with bench.db.read() as tx:
        assert await retention.get_usage_start(tx) == NOW - 400 * DAY


def test_usage_of_this_and_the_previous_month_is_always_kept() -> None:
    assert RetentionPeriods(audit_log_days=1, task_days=1, usage_days=1).cutoff(RetentionClass.USAGE, NOW) == (
        NOW - 62 * DAY
    )


@SQLITE
async def test_the_file_does_not_grow_under_a_constant_load(bench: Workbench) -> None:
    """After a retention period, each day reuses the pages of the day that is deleted."""
    await add_client(bench)
    periods = RetentionPeriods(audit_log_days=5, task_days=5, usage_days=62)
    pages = []
    for day in range(5 + DAYS_AFTER_THE_PERIOD):
        await add_a_day_of_load(bench, day)
        bench.clock.advance(DAY)
        await a_job(bench, periods).run_if_due()
        async with bench.db.read() as tx:
            row = await tx.one("PRAGMA page_count")
            assert row is not None
            pages.append(row[0])

    settled = pages[6:]
    assert max(settled) <= 1.05 * settled[0]
    assert settled[0] < 1.6 * pages[3], "rows of five days, not of all"


async def add_a_day_of_load(bench: Workbench, day: int) -> None:
    now = bench.clock()

    async def write(tx: Tx) -> None:
        for number in range(400):
            then = now + number
            await user_actions.add(tx, an_action(f"{number * 7919 % 400}-{day}", (NOW - then) / DAY), then)
            ended: dict[str, Any] = {"state": TaskState.FINISHED, "created_at": then, "finished_at": then}
            await tasks.add(tx, a_task(id=f"t-{number * 7919 % 400}-{day}", **ended))

    await bench.db.write(write)


async def test_deleted_rows_and_the_last_run_are_metrics(bench: Workbench) -> None:
    await add_client(bench)
    await add_actions(bench, an_action("a", 100), an_action("b", 99))
    registry = CollectorRegistry()

    await a_job(bench, on_run=RetentionMetrics(registry).count_run).run_if_due()

    text = generate_latest(registry).decode()
    assert 'pileus_deleted_rows_total{table="user_actions"} 2.0' in text
    assert 'pileus_deleted_rows_total{table="tasks"} 0.0' in text
    assert "pileus_last_retention_run_timestamp_seconds 0.0" not in text
