"""Takes snapshots when schedules say so, and deletes them when they have been kept long enough.

A schedule whose moment has come is given its next one, and its volumes are noted as due, in one transaction: so each
moment counts once, however many processes look, and moments that passed while no server ran count as one. What is due
waits while a task holds its volume. All that is long is left to tasks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import Conflict, QuotaExceeded, Stale
from pileus.domain.storage.schedules import Schedule
from pileus.domain.storage.volumes import Snapshot, Volume
from pileus.domain.tasks import Task, TaskState
from pileus.services.account import quotas
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.store.storage import schedules, snapshots, volumes
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
EVERY = 1.0
"""Seconds between looks."""
ANOTHER_TRY = 3_600_000_000
"""Microseconds until a snapshot that could not be deleted is tried again."""


@dataclass(slots=True)
class Scheduler:
    """What is due in a database, turned into tasks; `run` works until cancelled, `tick` does what is due now."""

    db: Database
    catalogue: Catalogue
    now: Callable[[], int]
    new_id: Callable[[], str]
    nudge: Callable[[], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Look again and again; a failure is not the last try."""
        await repeat(self._look, EVERY, self.sleep, LOG, "Schedules could not be looked at")

    async def _look(self) -> None:
        if await self.tick():
            self.nudge()

    async def tick(self) -> int:
        """Start the tasks that are due now; how many that are."""
        async with self.db.read() as tx:
            waiting = await schedules.due_schedules(tx, self.now())
        for schedule_id in waiting:
            await self.db.write(partial(self._come, schedule_id))
        async with self.db.read() as tx:
            due, expired = await schedules.due_snapshots(tx), await schedules.expired(tx, self.now())
        started = [await self.db.write(partial(self._take, *each)) for each in due]
        return sum(started) + sum([await self.db.write(partial(self._delete, each)) for each in expired])

    async def _come(self, schedule_id: str, tx: Tx) -> None:
        now, schedule = self.now(), await schedules.find(tx, schedule_id)
        if schedule is None or schedule.next_at is None or schedule.next_at > now:
            return
        await schedules.save(tx, schedule, schedule.armed(now))
        await schedules.make_due(tx, schedule, now)

    async def _take(self, schedule_id: str, volume_id: str, tx: Tx) -> bool:
        schedule, volume = await schedules.find(tx, schedule_id), await volumes.find(tx, volume_id)
        if volume is not None and volume.task_id is not None:
            return False
        if not await schedules.take_due(tx, schedule_id, volume_id) or schedule is None or volume is None:
            return False
        now = self.now()
        task = _task("create_snapshot", volume, schedule, self.new_id(), now)
        try:
            await volumes.bump_revision(tx, volume.require_snapshottable())
            await quotas.check(tx, self.catalogue, volume.place, await _more(tx, schedule, volume), now)
        except Stale:
            raise
        except (Conflict, QuotaExceeded) as reason:
            await tasks.add(tx, replace(task, state=TaskState.ERROR, error=str(reason), finished_at=now))
            return False
        snapshot = await snapshots.add(tx, self._snapshot(schedule, volume, task))
        named = {"snapshot_id": snapshot.id, "volume_id": volume.id}
        await tasks.add(tx, replace(task, args=task.args | named, data=task.data | named | {"name": snapshot.name}))
        return True

    def _snapshot(self, schedule: Schedule, volume: Volume, task: Task) -> Snapshot:
        now, span = task.created_at, schedule.retention_time
        taken = Snapshot.of(volume, self.new_id(), schedule.name_of(volume, now), task.id, now)
        expires_at = now + span.length if span else None
        policy_id = schedule.lifecycle_policy_id
        return replace(taken, schedule_id=schedule.id, lifecycle_policy_id=policy_id, expires_at=expires_at)

    async def _delete(self, snapshot_id: str, tx: Tx) -> bool:
        now, snapshot = self.now(), await snapshots.find(tx, snapshot_id)
        if snapshot is None or snapshot.expires_at is None or snapshot.expires_at > now:
            return False
        try:
            task_id = self.new_id()
            going = replace(snapshot.deleting(task_id, now), expires_at=now + ANOTHER_TRY)
        except Conflict:
            await snapshots.save(tx, snapshot, replace(snapshot, expires_at=now + ANOTHER_TRY))
            return False
        await snapshots.save(tx, snapshot, going)
        schedule = await schedules.find(tx, snapshot.schedule_id or "")
        task = _task("delete_snapshot", snapshot, schedule, task_id, now)
        await tasks.add(tx, replace(task, args=task.args | {"snapshot_id": snapshot_id}))
        return True


def _task(task_type: str, subject: Volume | Snapshot, schedule: Schedule | None, task_id: str, now: int) -> Task:
    """A task that nobody has asked for; it counts as that of the policy's maker."""
    told = {"schedule_id": schedule.id, "lifecycle_policy_id": schedule.lifecycle_policy_id} if schedule else {}
    return Task(
        id=task_id,
        task_type=task_type,
        client_id=subject.client_id,
        user_id=schedule.user_id if schedule else 0,
        project_id=subject.project_id,
        region_id=subject.region_id,
        args=told,
        data=dict(told),
        created_at=now,
    )


async def _more(tx: Tx, schedule: Schedule, volume: Volume) -> dict[str, int]:
    """What another snapshot adds to what a tenant has, when the oldest have gone for it."""
    going = schedule.surplus(await schedules.snapshots_taken(tx, schedule.id, volume.id), coming=1)
    return {
        "volume_snapshots_count": max(0, 1 - len(going)),
        "volume_snapshots_size": max(0, volume.size - sum(snapshot.size for snapshot in going)),
    }
