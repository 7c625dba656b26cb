"""Create snapshots on schedule, and delete them when their retention time has passed.

When a schedule is due, one transaction sets its next run and marks its volumes as due. So each run counts once, however
many processes poll, and runs that were missed while no server was running count as one. A due snapshot waits while a
task has locked its volume. The snapshots themselves are created and deleted by tasks. What fails unexpectedly, as a
schedule in a time zone that this host lacks, is logged and tried again after an hour: it holds up no other tenant.

Runs that an advance of the clock has skipped take place one after the other, each with the time at which it was due.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import Conflict, QuotaExceeded, Stale, Unavailable
from pileus.domain.storage.schedules import Schedule
from pileus.domain.storage.task_types import CREATE_SNAPSHOT, DELETE_SNAPSHOT, CreateSnapshotArgs, DeleteSnapshotArgs
from pileus.domain.storage.volumes import Snapshot, Volume, new_snapshot
from pileus.domain.tasks import Task, TaskState, TaskType, queue_name
from pileus.services.account.quotas import check_regional_quotas
from pileus.store import tasks
from pileus.store.database import Database, Tx, Work
from pileus.store.storage import schedules, snapshots, volumes
from pileus.store.storage.schedules import DueSnapshot
from pileus.tasks.clocks import CloudClock
from pileus.tasks.operation import A
from pileus.tasks.periodic import FailureLog, repeat

LOG = logging.getLogger(__name__)
POLL_INTERVAL = 1.0
"""Seconds between polls for due schedules and snapshots."""
CATCH_UP_INTERVAL, PATIENCE = 0.005, 25.0
"""Seconds between polls after the clock was changed, and for which a request waits until all is done."""
RETRY_DELAY = 3_600_000_000
"""Microseconds until what has failed is tried again."""


@dataclass(slots=True)
class Scheduler:
    """Starts the tasks of schedules: `run` until it is cancelled, `start_due_tasks` those that are due now.

    `ensure_tenant` copies what another database has of the tenant, so that the quotas of today hold.
    """

    db: Database
    catalogue: Catalogue
    clock: CloudClock
    new_id: Callable[[], str]
    new_ordered_id: Callable[[], str]
    nudge: Callable[[], None]
    ensure_tenant: Callable[[int], Awaitable[None]] | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "A scheduled snapshot failed and waits"))
    _copy_failures: FailureLog = field(default_factory=partial(FailureLog, LOG, "A tenant could not be copied"))

    async def run(self) -> None:
        """Start due tasks and wake the engine, until cancelled; failures are logged."""
        await repeat(self._poll, POLL_INTERVAL, self.sleep, LOG, "Polling schedules failed")

    async def _poll(self) -> None:
        if await self.start_due_tasks():
            self.nudge()
        async with self.db.scan() as tx:
            has_skipped_runs = bool(await schedules.list_due_ids(tx, self.clock.now()))
        if has_skipped_runs:
            await self.catch_up()

    async def start_due_tasks(self) -> int:
        """Start the tasks that are due now, and return how many were started."""
        async with self.db.scan() as tx:
            due_schedules = await schedules.list_due_ids(tx, self.clock.now())
        for schedule_id in due_schedules:
            await self._write(partial(self._set_next_run, schedule_id), partial(self._postpone_schedule, schedule_id))
        async with self.db.scan() as tx:
            due_snapshots = await schedules.list_due_snapshots(tx, self.clock.now())
            expired = await schedules.list_expired_snapshots(tx, self.clock.now())
        current = await self._find_current_tenants({due.client_id for due in due_snapshots})
        created = [
            await self._write(partial(self._create_snapshot, due), partial(self._postpone_snapshot, due))
            for due in due_snapshots
            if due.client_id in current
        ]
        deleted = [
            await self._write(partial(self._delete_snapshot, snapshot_id), partial(self._postpone_expiry, snapshot_id))
            for snapshot_id in expired
        ]
        return sum(created) + sum(deleted)

    async def _write(self, change: Work[bool], postpone: partial[Coroutine[Any, Any, None]]) -> bool:
        """Return whether `change` has started a task. If it fails, log that and postpone what is due.

        Raises what affects all schedules alike: Unavailable, and Stale.
        """
        try:
            return await self.db.write(change)
        except (Unavailable, Stale):
            raise
        except Exception as failure:  # noqa: BLE001  # logged; tried again later, and the others go on
            self._failures.add(failure, item=str(postpone.args[0]))
        await self.db.write(postpone)
        return False

    async def _postpone_schedule(self, schedule_id: str, tx: Tx) -> None:
        now = self.clock.now()
        await schedules.postpone(tx, schedule_id, now, now + RETRY_DELAY)

    async def _postpone_snapshot(self, due: DueSnapshot, tx: Tx) -> None:
        await schedules.postpone_due_snapshot(tx, due, self.clock.now() + RETRY_DELAY)

    async def _postpone_expiry(self, snapshot_id: str, tx: Tx) -> None:
        now = self.clock.now()
        await schedules.postpone_expiry(tx, snapshot_id, now, now + RETRY_DELAY)

    async def _find_current_tenants(self, client_ids: AbstractSet[int]) -> AbstractSet[int]:
        """Return the tenants whose copies are current; the snapshots of others wait until they can be copied."""
        if self.ensure_tenant is None:
            return client_ids
        current = set()
        for client_id in client_ids:
            try:
                await self.ensure_tenant(client_id)
            except Exception as failure:  # noqa: BLE001  # logged; tried again with the next poll
                self._copy_failures.add(failure, client_id=client_id)
            else:
                current.add(client_id)
        return current

    async def catch_up(self, seconds: float = PATIENCE) -> bool:
        """Start what is due until all of it has ended, is held, or waits for time to pass; False if that takes longer.

        After an advance, what has ended makes the next run of its schedule due.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            if await self.start_due_tasks():
                self.nudge()
            if not await self._has_unfinished_work():
                return True
            if loop.time() >= deadline:
                return False
            await self.sleep(CATCH_UP_INTERVAL)

    async def _has_unfinished_work(self) -> bool:
        async with self.db.scan() as tx:
            return (
                bool(await schedules.list_due_ids(tx, self.clock.now()))
                or bool(await schedules.list_due_snapshots(tx, self.clock.now()))
                or bool(await schedules.list_expired_snapshots(tx, self.clock.now()))
                or not self.clock.sleeping_task_ids.issuperset(await schedules.list_unfinished_task_ids(tx))
            )

    async def _set_next_run(self, schedule_id: str, tx: Tx) -> bool:
        """Set the next run and queue the snapshots; False if the schedule is gone, not due, or still waits."""
        schedule = await schedules.find(tx, schedule_id)
        if schedule is None or schedule.next_at is None or schedule.next_at > self.clock.now():
            return False
        run_at = self.clock.time_of(schedule.next_at)
        # Runs that an advance has skipped take place one after the other.
        if self.clock.setting.has_skipped(schedule.next_at) and await schedules.has_unfinished_run(
            tx, schedule.id, run_at
        ):
            return False
        await schedules.save(tx, schedule, schedule.with_next_run(run_at))
        await schedules.enqueue_due_snapshots(tx, schedule, run_at)
        return True

    async def _create_snapshot(self, due: DueSnapshot, tx: Tx) -> bool:
        """Start the task and return True; return False if the volume is locked or gone, or the task would fail.

        A task that would fail is saved as failed, so that users see it.
        """
        # Another retention time has to apply to this snapshot as well.
        schedule = await schedules.lock_for_use(tx, due.schedule_id)
        volume = await volumes.find(tx, due.volume_id)
        if volume is not None and volume.task_id is not None:
            return False
        is_claimed = await schedules.claim_due_snapshot(tx, due.schedule_id, due.volume_id)
        if not is_claimed or schedule is None or volume is None:
            return False
        snapshot_id = self.new_id()
        args = CreateSnapshotArgs(
            snapshot_id=snapshot_id,
            volume_id=volume.id,
            schedule_id=schedule.id,
            lifecycle_policy_id=schedule.lifecycle_policy_id,
        )
        now = self.clock.time_of(due.due_at)
        task = self._new_task(CREATE_SNAPSHOT, args, volume, schedule, now)
        try:
            await volumes.bump_revision(tx, volume.require_snapshottable())
            demand = await _quota_usage(tx, schedule, volume)
            await check_regional_quotas(tx, self.catalogue, volume.place, demand, now)
        except Stale:
            raise
        except (Conflict, QuotaExceeded) as reason:
            await tasks.add(tx, replace(task, state=TaskState.ERROR, error=str(reason), finished_at=now))
            return False
        snapshot = await snapshots.add(tx, _new_snapshot(snapshot_id, volume, schedule, task))
        created = {"snapshot_id": snapshot.id, "volume_id": volume.id, "name": snapshot.name}
        await tasks.add(tx, replace(task, data=task.data | created))
        return True

    async def _delete_snapshot(self, snapshot_id: str, tx: Tx) -> bool:
        """Start the task and return True; return False if the snapshot is in use, locked, gone or to be kept longer.

        What is in use or locked is tried again later.
        """
        snapshot = await snapshots.find_for_change(tx, snapshot_id)
        if snapshot is None or snapshot.expires_at is None or snapshot.expires_at > self.clock.now():
            return False
        now = self.clock.time_of(snapshot.expires_at)
        schedule = await schedules.find(tx, snapshot.schedule_id or "")
        args = DeleteSnapshotArgs(
            snapshot_id=snapshot_id,
            schedule_id=schedule.id if schedule else None,
            lifecycle_policy_id=schedule.lifecycle_policy_id if schedule else None,
        )
        task = self._new_task(DELETE_SNAPSHOT, args, snapshot, schedule, now)
        retried_later = replace(snapshot, expires_at=now + RETRY_DELAY)
        try:
            deleting = retried_later.deleting(task.id, now)
        except Conflict:
            deleting = None
        if deleting is None or await snapshots.find_new_volume_id(tx, snapshot_id):
            await snapshots.save(tx, snapshot, retried_later)
            return False
        await snapshots.save(tx, snapshot, deleting)
        await tasks.add(tx, task)
        return True

    def _new_task(
        self, task_type: TaskType[A], args: A, resource: Volume | Snapshot, schedule: Schedule | None, now: int
    ) -> Task:
        """Return a task that no request has started; its user is the creator of the schedule."""
        data = {"schedule_id": schedule.id, "lifecycle_policy_id": schedule.lifecycle_policy_id} if schedule else {}
        return Task(
            id=self.new_ordered_id(),
            task_type=task_type.name,
            client_id=resource.client_id,
            user_id=schedule.user_id if schedule else 0,
            project_id=resource.project_id,
            region_id=resource.region_id,
            args=to_builtins(args),
            data=data,
            created_at=now,
            slot_class=task_type.slot_class,
            queue=queue_name(resource.client_id, resource.region_id),
        )


def _new_snapshot(snapshot_id: str, volume: Volume, schedule: Schedule, task: Task) -> Snapshot:
    now, retention = task.created_at, schedule.retention_time
    snapshot = new_snapshot(volume, snapshot_id, schedule.snapshot_name(volume, now), task.id, now)
    return replace(
        snapshot,
        schedule_id=schedule.id,
        lifecycle_policy_id=schedule.lifecycle_policy_id,
        expires_at=now + retention.microseconds if retention else None,
    )


async def _quota_usage(tx: Tx, schedule: Schedule, volume: Volume) -> dict[str, int]:
    """Return what a further snapshot adds to the tenant's usage, once it has replaced the oldest ones."""
    surplus = schedule.surplus_snapshots(await schedules.list_snapshots(tx, schedule.id, volume.id), upcoming=1)
    return {
        "volume_snapshots_count": max(0, 1 - len(surplus)),
        "volume_snapshots_size": max(0, volume.size - sum(snapshot.size for snapshot in surplus)),
    }
