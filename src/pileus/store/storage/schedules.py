"""Schedules, their due snapshots, and the retention of snapshots that they have created."""

from collections.abc import Sequence
from typing import NamedTuple

from pileus.domain.places import Place
from pileus.domain.storage.schedules import Schedule
from pileus.domain.storage.volumes import Snapshot
from pileus.store import scoped
from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.storage import snapshots
from pileus.store.storage.snapshots import BUMP_REVISION

TABLE = Table("schedules", Schedule)
find, add, lock_for_use = TABLE.find_by_id, TABLE.add, TABLE.lock_for_use
BATCH_SIZE = 100
"""Number of due or expired ids that one query returns."""


async def get(tx: Tx, place: Place, schedule_id: str) -> Schedule:
    """Return a schedule of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Schedule", place, schedule_id)


async def list_by_policies(tx: Tx, policy_ids: Sequence[int]) -> dict[int, list[Schedule]]:
    """Return the schedules of policies, oldest first."""
    schedules: dict[int, list[Schedule]] = {policy_id: [] for policy_id in policy_ids}
    marks, values = in_list_placeholders("id", policy_ids)
    for schedule in await TABLE.find(tx, f"lifecycle_policy_id IN ({marks}) ORDER BY created_at, id", **values):
        schedules[schedule.lifecycle_policy_id].append(schedule)
    return schedules


async def list_by_policy(tx: Tx, policy_id: int) -> list[Schedule]:
    """Return the schedules of a policy, oldest first."""
    return (await list_by_policies(tx, [policy_id]))[policy_id]


async def save(tx: Tx, before: Schedule, after: Schedule) -> Schedule:
    """Write the changed fields; a new retention time applies to existing snapshots too. Raises Stale.

    The schedule comes first: whoever creates a snapshot of it locks it too.
    """
    saved = await TABLE.save(tx, before, after)
    if before.retention_time != after.retention_time:
        span = after.retention_time.microseconds if after.retention_time else None
        await tx.send(
            f"UPDATE snapshots SET expires_at = created_at + :span, {BUMP_REVISION}"
            " WHERE schedule_id = :id AND volume_id IN"
            " (SELECT volume_id FROM policy_volumes WHERE lifecycle_policy_id = :policy_id)",
            id=after.id,
            policy_id=after.lifecycle_policy_id,
            span=span,
        )
    return saved


async def remove(tx: Tx, schedule_id: str) -> None:
    """Delete a schedule; its snapshots no longer expire. Waits for a transaction that sets its next run."""
    await TABLE.find_one(tx, f"id = :id {FOR_CHANGE}", id=schedule_id)
    await remove_due_snapshots(tx, schedule_id)
    await tx.send(f"UPDATE snapshots SET expires_at = NULL, {BUMP_REVISION} WHERE schedule_id = :id", id=schedule_id)
    await TABLE.remove(tx, schedule_id)


async def list_due_ids(tx: Tx, now: int) -> list[str]:
    """Return the ids of schedules that are due."""
    rows = await tx.all(f"SELECT id FROM schedules WHERE next_at <= :now ORDER BY next_at LIMIT {BATCH_SIZE}", now=now)
    return [row[0] for row in rows]


async def postpone(tx: Tx, schedule_id: str, now: int, until: int) -> None:
    """Let a schedule that is due wait for another time; does nothing if it is not due."""
    await tx.send(
        "UPDATE schedules SET next_at = :until, revision = revision + 1 WHERE id = :id AND next_at <= :now",
        id=schedule_id,
        now=now,
        until=until,
    )


async def enqueue_due_snapshots(tx: Tx, schedule: Schedule, now: int) -> None:
    """Queue a snapshot of each volume of a schedule's policy, unless one is queued already."""
    await tx.send(
        "INSERT INTO due_snapshots (schedule_id, volume_id, due_at) SELECT :schedule_id, volume_id, :now"
        " FROM policy_volumes WHERE lifecycle_policy_id = :policy_id"
        " ON CONFLICT (schedule_id, volume_id) DO NOTHING",
        schedule_id=schedule.id,
        policy_id=schedule.lifecycle_policy_id,
        now=now,
    )


class DueSnapshot(NamedTuple):
    """A queued snapshot: of which tenant, schedule and volume, and when it was due."""

    client_id: int
    schedule_id: str
    volume_id: str
    due_at: int


async def list_due_snapshots(tx: Tx, now: int) -> list[DueSnapshot]:
    """Return the queued snapshots that are due and whose volume no task has locked."""
    rows = await tx.all(
        "SELECT v.client_id, d.schedule_id, d.volume_id, d.due_at"
        " FROM due_snapshots d JOIN volumes v ON v.id = d.volume_id"
        " WHERE v.task_id IS NULL AND d.due_at <= :now"
        f" ORDER BY d.due_at, d.schedule_id, d.volume_id LIMIT {BATCH_SIZE}",
        now=now,
    )
    return [DueSnapshot(*row) for row in rows]


async def postpone_due_snapshot(tx: Tx, due: DueSnapshot, until: int) -> None:
    """Let a queued snapshot wait for another time."""
    await tx.send(
        "UPDATE due_snapshots SET due_at = :until WHERE schedule_id = :schedule_id AND volume_id = :volume_id",
        schedule_id=due.schedule_id,
        volume_id=due.volume_id,
        until=until,
    )


async def limit_due_times(tx: Tx, now: int) -> None:
    """Let queued snapshots be due now that are due later, because the clock is set back."""
    await tx.send("UPDATE due_snapshots SET due_at = :now WHERE due_at > :now", now=now)


async def has_unfinished_run(tx: Tx, schedule_id: str, run_at: int) -> bool:
    """Return whether earlier snapshots of a schedule are still to be created or deleted before a run.

    Those that an injected fault holds, or that are postponed, do not count.
    """
    row = await tx.one(
        "SELECT 1 FROM due_snapshots d JOIN volumes v ON v.id = d.volume_id LEFT JOIN tasks t ON t.id = v.task_id"
        " WHERE d.schedule_id = :id AND d.due_at <= :run_at AND t.held_by IS NULL"
        " UNION ALL SELECT 1 FROM snapshots s LEFT JOIN tasks t ON t.id = s.task_id WHERE s.schedule_id = :id"
        " AND t.held_by IS NULL AND (s.task_id IS NOT NULL OR s.expires_at <= :run_at) LIMIT 1",
        id=schedule_id,
        run_at=run_at,
    )
    return row is not None


async def list_unfinished_task_ids(tx: Tx) -> list[str]:
    """Return the tasks that create or delete snapshots, or lock a volume whose snapshot is due; not those on hold."""
    rows = await tx.all(
        "SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING') AND held_by IS NULL"
        " AND (task_type IN ('create_snapshot', 'delete_snapshot')"
        " OR id IN (SELECT v.task_id FROM due_snapshots d JOIN volumes v ON v.id = d.volume_id))"
    )
    return [row[0] for row in rows]


async def list_due_with_volume_counts(tx: Tx, until: int, limit: int) -> list[tuple[Schedule, int]]:
    """Return schedules that run until a time, each with the number of its volumes."""
    rows = await tx.all(
        f"SELECT {TABLE.qualified_columns('s')}, (SELECT count(*) FROM policy_volumes p"
        " WHERE p.lifecycle_policy_id = s.lifecycle_policy_id)"
        " FROM schedules s WHERE s.next_at <= :until ORDER BY s.next_at LIMIT :limit",
        until=until,
        limit=limit,
    )
    return [(TABLE.record_from_row(tx, row[:-1]), int(row[-1])) for row in rows]


async def find_first_due_time(tx: Tx, now: int) -> int | None:
    """Return the time since which a schedule is due, or None."""
    row = await tx.one("SELECT min(next_at) FROM schedules WHERE next_at <= :now", now=now)
    return None if row is None else row[0]


async def claim_due_snapshot(tx: Tx, schedule_id: str, volume_id: str) -> bool:
    """Remove a queued snapshot; False if another worker has claimed it."""
    statement = "DELETE FROM due_snapshots WHERE schedule_id = :schedule_id AND volume_id = :volume_id"
    return bool(await tx.run(statement, schedule_id=schedule_id, volume_id=volume_id))


async def remove_due_snapshots(tx: Tx, schedule_id: str) -> None:
    """Remove the queued snapshots of a schedule."""
    await tx.send("DELETE FROM due_snapshots WHERE schedule_id = :id", id=schedule_id)


async def list_snapshots(tx: Tx, schedule_id: str, volume_id: str) -> list[Snapshot]:
    """Return the available snapshots that a schedule has created of a volume, oldest first."""
    where = "schedule_id = :schedule_id AND volume_id = :volume_id AND status = 'available' ORDER BY created_at, id"
    return await snapshots.TABLE.find(tx, where, schedule_id=schedule_id, volume_id=volume_id)


async def expire_surplus_snapshots(tx: Tx, schedule: Schedule, volume_id: str, now: int) -> None:
    """Expire the oldest snapshots of a schedule and volume if there are more than the schedule keeps."""
    for snapshot in schedule.surplus_snapshots(await list_snapshots(tx, schedule.id, volume_id)):
        await set_snapshot_expiry(tx, snapshot.id, now)


async def set_snapshot_expiry(tx: Tx, snapshot_id: str, at: int) -> None:
    """Set the time at which a snapshot is deleted."""
    await tx.send(f"UPDATE snapshots SET expires_at = :at, {BUMP_REVISION} WHERE id = :id", id=snapshot_id, at=at)


async def postpone_expiry(tx: Tx, snapshot_id: str, now: int, until: int) -> None:
    """Set a later time at which an expired snapshot is deleted; does nothing if it no longer expires."""
    statement = f"UPDATE snapshots SET expires_at = :until, {BUMP_REVISION} WHERE id = :id AND expires_at <= :now"
    await tx.send(statement, id=snapshot_id, now=now, until=until)


async def list_expired_snapshots(tx: Tx, now: int) -> list[str]:
    """Return the ids of expired snapshots that no task has locked."""
    rows = await tx.all(
        f"SELECT id FROM snapshots WHERE expires_at <= :now AND task_id IS NULL ORDER BY expires_at LIMIT {BATCH_SIZE}",
        now=now,
    )
    return [row[0] for row in rows]
