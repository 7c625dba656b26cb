"""Scheduled snapshots are created once per run, and deleted when their retention time has passed."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.api.cell_connections import AccountCopies
from pileus.domain.errors import Unavailable
from pileus.domain.storage.schedules import MINUTE, Schedule, TimeSpan
from pileus.domain.storage.task_types import CreateSnapshotArgs
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.domain.tasks import TaskState
from pileus.store.account import account_revisions, clients, quotas
from pileus.store.database import Tx
from pileus.store.schema import open_database
from pileus.store.storage import lifecycle_policies, schedules, snapshots, volumes
from pileus.tasks.operation import Operation, Step, StepFunction, TaskContext
from pileus.tasks.storage.scheduler import RETRY_DELAY
from tests.domain.builders import NOW, a_volume
from tests.tasks.schedules import CREATE_SNAPSHOT, DELETE_SNAPSHOT, HOUR, PLACE, ScheduleBench
from tests.tasks.workers import CountingDatabase, FlakyDatabase, final_error


async def test_a_due_schedule_creates_a_snapshot_of_each_volume(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(id="v-1"), a_volume(id="v-2", status=VolumeStatus.IN_USE.value))

    assert await schedule_bench.run_due() == 0
    schedule_bench.bench.clock.advance(HOUR)
    assert await schedule_bench.run_due() == 2
    assert await schedule_bench.run_due() == 0

    created = await schedule_bench.snapshots()
    assert [
        (snapshot.volume_id, snapshot.status, snapshot.schedule_id, snapshot.lifecycle_policy_id)
        for snapshot in created
    ] == [
        ("v-1", "available", "s-1", 7),
        ("v-2", "available", "s-1", 7),
    ]
    assert created[0].name == "Snapshot of volume v-1 created by policy 7"
    assert await schedule_bench.bench.driver.volume_ids_by_snapshot_id() == {
        snapshot.id: snapshot.volume_id for snapshot in created
    }
    (task, _) = await schedule_bench.tasks()
    assert (task.task_type, task.state, task.user_id, task.place) == ("create_snapshot", "FINISHED", 5, PLACE)
    assert task.data["schedule_id"] == "s-1"


async def test_missed_runs_count_as_one(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume())

    schedule_bench.bench.clock.advance(5 * HOUR + MINUTE)
    assert await schedule_bench.run_due() == 1
    schedule_bench.bench.clock.advance(58 * MINUTE)
    assert await schedule_bench.run_due() == 0
    schedule_bench.bench.clock.advance(MINUTE)
    assert await schedule_bench.run_due() == 1


async def test_the_oldest_snapshot_is_deleted_when_a_new_one_is_available(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(), max_quantity=3)

    await schedule_bench.run_hours(5)

    assert await schedule_bench.creation_hours() == [3, 4, 5]
    assert len(await schedule_bench.bench.driver.volume_ids_by_snapshot_id()) == 3


async def test_no_snapshot_is_deleted_for_a_new_one_that_failed(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(), max_quantity=2)
    await schedule_bench.run_hours(2)

    async def fail(_: TaskContext[CreateSnapshotArgs]) -> None:
        raise final_error("no room")

    schedule_bench.bench.clock.advance(HOUR)
    await schedule_bench.scheduler().start_due_tasks()
    await schedule_bench.bench.engine(with_step(fail), DELETE_SNAPSHOT).run_until_idle()
    await schedule_bench.scheduler().start_due_tasks()

    assert await schedule_bench.creation_hours() == [1, 2]
    assert (await schedule_bench.tasks())[-1].error == "no room"


def with_step(do: StepFunction[CreateSnapshotArgs]) -> Operation[CreateSnapshotArgs]:
    """Return the operation with another step."""
    return dataclasses.replace(CREATE_SNAPSHOT, steps=(Step("take", do),))


async def test_a_snapshot_is_deleted_after_its_retention_time(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(), max_quantity=100, retention_time=TimeSpan(hours=2, minutes=30))

    await schedule_bench.run_hours(6)

    assert await schedule_bench.creation_hours() == [4, 5, 6]


async def test_a_changed_retention_time_applies_to_existing_snapshots(schedule_bench: ScheduleBench) -> None:
    schedule = await schedule_bench.add_schedule(a_volume(), max_quantity=100)
    await schedule_bench.run_hours(4)

    async def set_retention(span: TimeSpan | None) -> None:
        nonlocal schedule

        async def write(tx: Tx) -> Schedule:
            now = await schedules.find(tx, "s-1")
            assert now is not None
            return await schedules.save(tx, now, replace(now, retention_time=span))

        schedule = await schedule_bench.bench.db.write(write)

    await set_retention(TimeSpan(minutes=90))
    await schedule_bench.run_due()
    assert await schedule_bench.creation_hours() == [3, 4]
    await set_retention(None)
    await schedule_bench.run_hours(3)
    assert await schedule_bench.creation_hours() == [3, 4, 5, 6, 7]


async def test_snapshots_outlive_their_schedule(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(), retention_time=TimeSpan(hours=1))
    await schedule_bench.run_hours(1)

    await schedule_bench.bench.db.write(lambda tx: schedules.remove(tx, "s-1"))
    await schedule_bench.run_hours(3)

    assert await schedule_bench.creation_hours() == [1]


async def test_snapshots_stay_when_their_volume_leaves_the_policy(schedule_bench: ScheduleBench) -> None:
    schedule = await schedule_bench.add_schedule(
        a_volume(id="v-1"), a_volume(id="v-2"), retention_time=TimeSpan(hours=1)
    )
    await schedule_bench.run_hours(1)

    await schedule_bench.bench.db.write(lambda tx: lifecycle_policies.remove_volumes(tx, 7, ["v-1", "unknown"]))
    now = await schedule_bench.bench.db.write(lambda tx: schedules.find(tx, schedule.id))
    assert now is not None
    await schedule_bench.bench.db.write(
        lambda tx: schedules.save(tx, now, replace(now, retention_time=TimeSpan(minutes=90)))
    )
    await schedule_bench.run_hours(3)

    assert [snapshot.volume_id for snapshot in await schedule_bench.snapshots()].count("v-1") == 1
    assert 1 in await schedule_bench.creation_hours()


async def test_a_locked_volume_is_waited_for(schedule_bench: ScheduleBench) -> None:
    locked = a_volume(task_id="t-1")
    await schedule_bench.add_schedule(locked)

    await schedule_bench.run_hours(2)
    assert await schedule_bench.snapshots() == []
    await schedule_bench.bench.db.write(lambda tx: volumes.save(tx, locked, replace(locked, task_id=None)))
    await schedule_bench.run_due()

    assert await schedule_bench.creation_hours() == [2]


async def test_a_deleted_volume_starts_no_task(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume())
    schedule_bench.bench.clock.advance(HOUR)
    await schedule_bench.bench.db.write(lambda tx: volumes.remove(tx, "v-1"))

    await schedule_bench.run_hours(2)

    assert (await schedule_bench.snapshots(), await schedule_bench.tasks()) == ([], [])


async def test_a_volume_in_error_leads_to_a_failed_task(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(status=VolumeStatus.ERROR.value))

    await schedule_bench.run_hours(1)

    (task,) = await schedule_bench.tasks()
    assert (task.state, task.finished_at) == (TaskState.ERROR, NOW + HOUR)
    assert "in status error" in str(task.error)


async def test_quotas_apply_unless_the_snapshot_replaces_another_one(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume(), max_quantity=2)
    await schedule_bench.bench.db.write(
        lambda tx: quotas.set_limits(tx, PLACE.client_id, 1, {"volume_snapshots_count": 2})
    )

    await schedule_bench.run_hours(4)
    assert await schedule_bench.creation_hours() == [3, 4]
    await schedule_bench.bench.db.write(
        lambda tx: quotas.set_limits(tx, PLACE.client_id, 1, {"volume_snapshots_count": 1})
    )
    schedule = await schedule_bench.bench.db.write(lambda tx: schedules.find(tx, "s-1"))
    assert schedule is not None
    await schedule_bench.bench.db.write(lambda tx: schedules.save(tx, schedule, replace(schedule, max_quantity=3)))
    await schedule_bench.run_hours(1)

    assert await schedule_bench.creation_hours() == [3, 4]
    (failed,) = [task for task in await schedule_bench.tasks() if task.state == TaskState.ERROR]
    assert "volume_snapshots_count" in str(failed.error)
    assert failed.args["schedule_id"] == "s-1"


async def test_quotas_are_those_of_the_database_with_the_tenants(schedule_bench: ScheduleBench, tmp_path: Path) -> None:
    here, tenants_db = schedule_bench.bench.db, await open_database("", tmp_path / "tenants")
    copies = AccountCopies(tenants_db, here)
    await schedule_bench.add_schedule(a_volume(), max_quantity=3)

    async def set_limit_there(tx: Tx) -> None:
        if not await clients.exists(tx, PLACE.client_id):
            await clients.add(tx, PLACE.client_id, "one", NOW)
        await quotas.set_limits(tx, PLACE.client_id, 1, {"volume_snapshots_count": 0})
        await account_revisions.bump(tx, PLACE.client_id)

    await tenants_db.write(set_limit_there)
    schedule_bench.bench.clock.advance(HOUR)
    started = await schedule_bench.scheduler(ensure_tenant=copies.ensure_current).start_due_tasks()
    await tenants_db.close()

    (task,) = await schedule_bench.tasks()
    assert (started, task.state) == (0, TaskState.ERROR)
    assert "volume_snapshots_count" in str(task.error)


async def test_snapshots_wait_while_their_tenant_cannot_be_copied(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume())
    schedule_bench.bench.clock.advance(HOUR)

    async def fail(client_id: int) -> None:
        raise Unavailable(f"The database with tenant {client_id} does not answer")

    assert await schedule_bench.scheduler(ensure_tenant=fail).start_due_tasks() == 0
    assert await schedule_bench.tasks() == []
    assert await schedule_bench.scheduler().start_due_tasks() == 1


@pytest.mark.parametrize("is_source", [False, True])
async def test_a_snapshot_that_cannot_be_deleted_is_retried_later(
    schedule_bench: ScheduleBench, *, is_source: bool
) -> None:
    """It is still being created, or a volume is being created from it."""
    await schedule_bench.add_schedule(a_volume(), max_quantity=1)
    await schedule_bench.run_hours(1)
    db, clock = schedule_bench.bench.db, schedule_bench.bench.clock
    await db.write(lambda tx: schedules.remove(tx, "s-1"))
    (snapshot,) = await schedule_bench.snapshots()
    status = SnapshotStatus.AVAILABLE if is_source else SnapshotStatus.CREATING
    expired = replace(snapshot, status=status.value, expires_at=clock())
    await db.write(lambda tx: snapshots.save(tx, snapshot, expired))
    copy = a_volume(id="copy", snapshot_id=snapshot.id, status="creating" if is_source else "available")
    await db.write(lambda tx: volumes.add(tx, copy))

    assert await schedule_bench.run_due() == 0
    (current,) = await schedule_bench.snapshots()
    assert (current.status, current.expires_at) == (status, clock() + RETRY_DELAY)
    await db.write(lambda tx: snapshots.save(tx, current, replace(current, status="available")))
    await db.write(lambda tx: volumes.save(tx, copy, replace(copy, status="available")))
    clock.advance(RETRY_DELAY)
    await schedule_bench.run_due()

    assert await schedule_bench.snapshots() == []


async def test_of_many_concurrent_schedulers_one_creates_each_snapshot(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(*(a_volume(id=f"v-{number}") for number in range(5)), max_quantity=1)
    schedule_bench.bench.clock.advance(HOUR)

    started = await asyncio.gather(*(schedule_bench.scheduler().start_due_tasks() for _ in range(4)))
    await schedule_bench.bench.engine(CREATE_SNAPSHOT, DELETE_SNAPSHOT).run_until_idle()

    assert (sum(started), len(await schedule_bench.snapshots()), len(await schedule_bench.tasks())) == (5, 5, 5)


async def test_looking_for_due_snapshots_does_not_block_requests(schedule_bench: ScheduleBench) -> None:
    counting = CountingDatabase(schedule_bench.bench.db)

    await schedule_bench.scheduler(db=counting).start_due_tasks()

    assert counting.counts == {"read": 0, "scan": 2, "write": 0}


async def test_the_scheduler_continues_after_a_failure_and_wakes_the_engine(schedule_bench: ScheduleBench) -> None:
    await schedule_bench.add_schedule(a_volume())
    schedule_bench.bench.clock.advance(HOUR)
    polls = 0

    async def sleep(_: float) -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            raise asyncio.CancelledError

    flaky = FlakyDatabase(schedule_bench.bench.db, failing_reads=1)
    with pytest.raises(asyncio.CancelledError):
        await schedule_bench.scheduler(db=flaky, sleep=sleep).run()

    assert (schedule_bench.nudges, len(await schedule_bench.tasks())) == (1, 1)
