"""A lifecycle policy with a schedule and volumes, and what runs it, for tests of the scheduler."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pileus.domain.account.projects import Project
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import MINUTE, Interval, Schedule
from pileus.domain.storage.volumes import Snapshot, Volume
from pileus.domain.tasks import Task
from pileus.drivers.protocols.storage import DiskSpec
from pileus.store import tasks
from pileus.store.account import clients, projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, snapshots, volumes
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.storage.scheduler import Scheduler
from tests.domain.builders import NOW, a_volume, the_catalogue
from tests.tasks.workers import Workbench

PLACE = a_volume().place
HOUR = 60 * MINUTE
CREATE_SNAPSHOT, DELETE_SNAPSHOT = OPERATIONS["create_snapshot"], OPERATIONS["delete_snapshot"]


@dataclass(slots=True)
class ScheduleBench:
    """A lifecycle policy with a schedule and volumes, a scheduler, and an engine."""

    bench: Workbench
    numbers: Iterable[int] = field(default_factory=count)
    nudges: int = 0

    def _nudge(self) -> None:
        self.nudges += 1

    def scheduler(self, **changes: Any) -> Scheduler:
        """Return the scheduler of one process."""
        ids = (f"id-{number}" for number in iter(self.numbers))
        fields = {"db": self.bench.db, **changes}
        return Scheduler(
            catalogue=the_catalogue(),
            clock=self.bench.cloud_clock,
            new_id=lambda: next(ids),
            new_ordered_id=lambda: next(ids),
            nudge=self._nudge,
            **fields,
        )

    async def add_schedule(self, *policy_volumes: Volume, **changes: Any) -> Schedule:
        """Save an hourly schedule of a policy with these volumes."""
        owner: dict[str, Any] = {
            "client_id": PLACE.client_id,
            "project_id": PLACE.project_id,
            "region_id": 1,
            "user_id": 5,
        }
        project = Project(id=PLACE.project_id, client_id=PLACE.client_id, name="default", created_at=NOW)
        policy = LifecyclePolicy(id=7, name="hourly", created_at=NOW, updated_at=NOW, **owner)
        fields = {"id": "s-1", "timing": Interval(hours=1), "next_at": NOW + HOUR, "created_at": NOW}
        schedule = Schedule(**{**owner, "lifecycle_policy_id": 7, **fields, **changes})

        async def write(tx: Tx) -> Schedule:
            await clients.add(tx, PLACE.client_id, "one", NOW)
            await projects.add(tx, project)
            await lifecycle_policies.add(tx, policy)
            await lifecycle_policies.add_volumes(tx, 7, [volume.id for volume in policy_volumes])
            for volume in policy_volumes:
                await volumes.add(tx, volume)
            return await schedules.add(tx, schedule)

        for volume in policy_volumes:
            await self.bench.driver.ensure_volume(DiskSpec(id=volume.id, size=volume.size, type_name=volume.type_name))
        return await self.bench.db.write(write)

    async def run_hours(self, hours: int) -> None:
        """Advance the clock by one hour after the other, and run everything that is due."""
        for _ in range(hours):
            self.bench.clock.advance(HOUR)
            await self.run_due()

    async def run_due(self) -> int:
        """Start due tasks and run them, then those that have become due; return how many were started at first."""
        started = await self.scheduler().start_due_tasks()
        for _ in range(2):
            await self.bench.engine(CREATE_SNAPSHOT, DELETE_SNAPSHOT).run_until_idle()
            await self.scheduler().start_due_tasks()
        return started

    async def snapshots(self) -> list[Snapshot]:
        """Return the existing snapshots, the oldest first."""
        async with self.bench.db.read() as tx:
            return await snapshots.TABLE.find(tx, "1 = 1 ORDER BY created_at, volume_id")

    async def creation_hours(self) -> list[int]:
        """Return the hours, from the beginning, at which the existing snapshots were created."""
        return [round((snapshot.created_at - NOW) / HOUR) for snapshot in await self.snapshots()]

    async def tasks(self) -> list[Task]:
        """Return the started tasks, the oldest first."""
        async with self.bench.db.read() as tx:
            return await tasks.TABLE.find(tx, "1 = 1 ORDER BY created_at, id")
