"""Schedules at work: snapshots are taken when they should be, once, and deleted when they were kept long enough."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.account.projects import Project
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import MINUTE, Interval, Schedule, Span
from pileus.domain.storage.volumes import Snapshot, SnapshotStatus, Volume, VolumeStatus
from pileus.domain.tasks import Task, TaskState
from pileus.drivers.protocols.compute import Disk
from pileus.store import tasks
from pileus.store.account import clients, projects, quotas
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, snapshots, volumes
from pileus.tasks.operation import Step, TaskContext
from pileus.tasks.storage.create_snapshot import CREATE_SNAPSHOT
from pileus.tasks.storage.delete_snapshot import DELETE_SNAPSHOT
from pileus.tasks.storage.scheduler import ANOTHER_TRY, Scheduler
from tests.domain.builders import NOW, a_volume, the_catalogue
from tests.tasks.workers import Flaky, Stage, lasting

PLACE = a_volume().place
HOUR = 60 * MINUTE


@dataclass(slots=True)
class Scene:
    """A policy with a schedule and volumes, somebody who looks after it, and a worker."""

    stage: Stage
    numbers: Iterable[int] = field(default_factory=count)
    nudges: int = 0

    def _nudge(self) -> None:
        self.nudges += 1

    def scheduler(self, **changes: Any) -> Scheduler:
        """One process's scheduler."""
        ids = (f"id-{number}" for number in iter(self.numbers))
        facts = {"db": self.stage.db, **changes}
        return Scheduler(
            catalogue=the_catalogue(), now=self.stage.clock, new_id=lambda: next(ids), nudge=self._nudge, **facts
        )

    async def set(self, *its: Volume, **changes: Any) -> Schedule:
        """An hourly schedule of a policy with these volumes."""
        places: dict[str, Any] = {
            "client_id": PLACE.client_id,
            "project_id": PLACE.project_id,
            "region_id": 1,
            "user_id": 5,
        }
        project = Project(id=PLACE.project_id, client_id=PLACE.client_id, name="default", created_at=NOW)
        policy = LifecyclePolicy(id=7, name="hourly", created_at=NOW, updated_at=NOW, **places)
        facts = {"id": "s-1", "timing": Interval(hours=1), "next_at": NOW + HOUR, "created_at": NOW}
        schedule = Schedule(**{**places, "lifecycle_policy_id": 7, **facts, **changes})

        async def write(tx: Tx) -> Schedule:
            await clients.add(tx, PLACE.client_id, "one", NOW)
            await projects.add(tx, project)
            await lifecycle_policies.add(tx, policy)
            await lifecycle_policies.include(tx, 7, [volume.id for volume in its])
            for volume in its:
                await volumes.add(tx, volume)
            return await schedules.add(tx, schedule)

        for volume in its:
            await self.stage.driver.ensure_volume(Disk(id=volume.id, size=volume.size, type_name=volume.type_name))
        return await self.stage.db.write(write)

    async def hours(self, number: int) -> None:
        """Let hours pass, with everything done that is due in each."""
        for _ in range(number):
            self.stage.clock.pass_by(HOUR)
            await self.look()

    async def look(self) -> int:
        """Look once, work, and look at what the work has left."""
        started = await self.scheduler().tick()
        for _ in range(2):
            await self.stage.engine(CREATE_SNAPSHOT, DELETE_SNAPSHOT).run_until_idle()
            await self.scheduler().tick()
        return started

    async def kept(self) -> list[Snapshot]:
        """The snapshots that there are, the oldest first."""
        async with self.stage.db.read() as tx:
            return await snapshots.TABLE.find(tx, "1 = 1 ORDER BY created_at, volume_id")

    async def ages(self) -> list[int]:
        """How many hours after the beginning each of them was taken."""
        return [round((snapshot.created_at - NOW) / HOUR) for snapshot in await self.kept()]

    async def tasks(self) -> list[Task]:
        """The tasks that were started, in their order."""
        async with self.stage.db.read() as tx:
            return await tasks.TABLE.find(tx, "1 = 1 ORDER BY created_at, id")


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage, count())


async def test_a_snapshot_of_each_volume_is_taken_when_the_moment_has_come(scene: Scene) -> None:
    await scene.set(a_volume(id="v-1"), a_volume(id="v-2", status=VolumeStatus.IN_USE.value))

    assert await scene.look() == 0
    scene.stage.clock.pass_by(HOUR)
    assert await scene.look() == 2
    assert await scene.look() == 0

    kept = await scene.kept()
    assert [(each.volume_id, each.status, each.schedule_id, each.lifecycle_policy_id) for each in kept] == [
        ("v-1", "available", "s-1", 7),
        ("v-2", "available", "s-1", 7),
    ]
    assert kept[0].name == "Snapshot of volume v-1 created by policy 7"
    assert scene.stage.driver.snapshots() == {each.id: each.volume_id for each in kept}
    (task, _) = await scene.tasks()
    assert (task.task_type, task.state, task.user_id, task.place) == ("create_snapshot", "FINISHED", 5, PLACE)
    assert task.data["schedule_id"] == "s-1"


async def test_moments_that_passed_while_nobody_looked_count_as_one(scene: Scene) -> None:
    await scene.set(a_volume())

    scene.stage.clock.pass_by(5 * HOUR + MINUTE)
    assert await scene.look() == 1
    scene.stage.clock.pass_by(58 * MINUTE)
    assert await scene.look() == 0
    scene.stage.clock.pass_by(MINUTE)
    assert await scene.look() == 1


async def test_the_latest_are_kept_and_the_oldest_go_when_a_new_one_is_whole(scene: Scene) -> None:
    await scene.set(a_volume(), max_quantity=3)

    await scene.hours(5)

    assert await scene.ages() == [3, 4, 5]
    assert len(scene.stage.driver.snapshots()) == 3


async def test_no_old_snapshot_goes_for_a_new_one_that_failed(scene: Scene) -> None:
    await scene.set(a_volume(), max_quantity=2)
    await scene.hours(2)

    async def fail(_: TaskContext) -> None:
        raise lasting("no room")

    scene.stage.clock.pass_by(HOUR)
    await scene.scheduler().tick()
    await scene.stage.engine(replace_steps(fail), DELETE_SNAPSHOT).run_until_idle()
    await scene.scheduler().tick()

    assert await scene.ages() == [1, 2]
    assert (await scene.tasks())[-1].error == "no room"


def replace_steps(do: Any) -> Any:
    """The operation, with something else to do."""
    return type(CREATE_SNAPSHOT)("create_snapshot", (Step("take", do),), CREATE_SNAPSHOT.done, CREATE_SNAPSHOT.failed)


async def test_a_snapshot_goes_when_its_time_is_over(scene: Scene) -> None:
    await scene.set(a_volume(), max_quantity=100, retention_time=Span(hours=2, minutes=30))

    await scene.hours(6)

    assert await scene.ages() == [4, 5, 6]


async def test_another_retention_counts_for_what_was_taken_already(scene: Scene) -> None:
    schedule = await scene.set(a_volume(), max_quantity=100)
    await scene.hours(4)

    async def keep(span: Span | None) -> None:
        nonlocal schedule

        async def write(tx: Tx) -> Schedule:
            now = await schedules.find(tx, "s-1")
            assert now is not None
            return await schedules.save(tx, now, replace(now, retention_time=span))

        schedule = await scene.stage.db.write(write)

    await keep(Span(minutes=90))
    await scene.look()
    assert await scene.ages() == [3, 4]
    await keep(None)
    await scene.hours(3)
    assert await scene.ages() == [3, 4, 5, 6, 7]


async def test_what_a_schedule_has_taken_outlives_it(scene: Scene) -> None:
    await scene.set(a_volume(), retention_time=Span(hours=1))
    await scene.hours(1)

    await scene.stage.db.write(lambda tx: schedules.remove(tx, "s-1"))
    await scene.hours(3)

    assert await scene.ages() == [1]


async def test_what_was_taken_of_a_volume_stays_when_it_leaves_the_policy(scene: Scene) -> None:
    schedule = await scene.set(a_volume(id="v-1"), a_volume(id="v-2"), retention_time=Span(hours=1))
    await scene.hours(1)

    await scene.stage.db.write(lambda tx: lifecycle_policies.exclude(tx, 7, ["v-1", "unknown"]))
    now = await scene.stage.db.write(lambda tx: schedules.find(tx, schedule.id))
    assert now is not None
    await scene.stage.db.write(lambda tx: schedules.save(tx, now, replace(now, retention_time=Span(minutes=90))))
    await scene.hours(3)

    assert [each.volume_id for each in await scene.kept()].count("v-1") == 1
    assert 1 in await scene.ages()


async def test_a_volume_that_a_task_holds_is_waited_for(scene: Scene) -> None:
    held = a_volume(task_id="t-1")
    await scene.set(held)

    await scene.hours(2)
    assert await scene.kept() == []
    await scene.stage.db.write(lambda tx: volumes.save(tx, held, replace(held, task_id=None)))
    await scene.look()

    assert await scene.ages() == [2]


async def test_a_volume_that_has_gone_is_not_missed(scene: Scene) -> None:
    await scene.set(a_volume())
    scene.stage.clock.pass_by(HOUR)
    await scene.stage.db.write(lambda tx: volumes.remove(tx, "v-1"))

    await scene.hours(2)

    assert (await scene.kept(), await scene.tasks()) == ([], [])


async def test_a_volume_in_no_order_shows_as_a_failed_task(scene: Scene) -> None:
    await scene.set(a_volume(status=VolumeStatus.ERROR.value))

    await scene.hours(1)

    (task,) = await scene.tasks()
    assert (task.state, task.finished_at) == (TaskState.ERROR, NOW + HOUR)
    assert "in status error" in str(task.error)


async def test_quotas_hold_and_a_snapshot_that_takes_anothers_place_needs_none(scene: Scene) -> None:
    await scene.set(a_volume(), max_quantity=2)
    await scene.stage.db.write(lambda tx: quotas.set_limits(tx, PLACE.client_id, 1, {"volume_snapshots_count": 2}))

    await scene.hours(4)
    assert await scene.ages() == [3, 4]
    await scene.stage.db.write(lambda tx: quotas.set_limits(tx, PLACE.client_id, 1, {"volume_snapshots_count": 1}))
    schedule = await scene.stage.db.write(lambda tx: schedules.find(tx, "s-1"))
    assert schedule is not None
    await scene.stage.db.write(lambda tx: schedules.save(tx, schedule, replace(schedule, max_quantity=3)))
    await scene.hours(1)

    assert await scene.ages() == [3, 4]
    (failed,) = [task for task in await scene.tasks() if task.state == TaskState.ERROR]
    assert "volume_snapshots_count" in str(failed.error)
    assert failed.args["schedule_id"] == "s-1"


async def test_one_that_cannot_be_deleted_is_tried_again_later(scene: Scene) -> None:
    await scene.set(a_volume(), max_quantity=1)
    await scene.hours(1)
    await scene.stage.db.write(lambda tx: schedules.remove(tx, "s-1"))
    (snapshot,) = await scene.kept()
    broken = replace(snapshot, status=SnapshotStatus.ERROR.value, expires_at=scene.stage.clock())
    creating = replace(broken, status=SnapshotStatus.CREATING.value)
    await scene.stage.db.write(lambda tx: snapshots.save(tx, snapshot, creating))

    assert await scene.look() == 0
    (now,) = await scene.kept()
    assert now.expires_at == scene.stage.clock() + ANOTHER_TRY
    await scene.stage.db.write(lambda tx: snapshots.save(tx, now, replace(now, status="available")))
    scene.stage.clock.pass_by(ANOTHER_TRY)
    await scene.look()

    assert await scene.kept() == []


async def test_of_many_who_look_at_once_one_takes_each_snapshot(scene: Scene) -> None:
    await scene.set(*(a_volume(id=f"v-{number}") for number in range(5)), max_quantity=1)
    scene.stage.clock.pass_by(HOUR)

    started = await asyncio.gather(*(scene.scheduler().tick() for _ in range(4)))
    await scene.stage.engine(CREATE_SNAPSHOT, DELETE_SNAPSHOT).run_until_idle()

    assert (sum(started), len(await scene.kept()), len(await scene.tasks())) == (5, 5, 5)


async def test_a_failure_is_not_the_last_look_and_work_is_told_of(scene: Scene) -> None:
    await scene.set(a_volume())
    scene.stage.clock.pass_by(HOUR)
    looks = 0

    async def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError

    flaky = Flaky(scene.stage.db, blind=1)
    with pytest.raises(asyncio.CancelledError):
        await scene.scheduler(db=flaky, sleep=sleep).run()

    assert (scene.nudges, len(await scene.tasks())) == (1, 1)
