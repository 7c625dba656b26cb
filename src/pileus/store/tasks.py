"""Tasks and their leases."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from pileus.domain.errors import not_found
from pileus.domain.tasks import Task
from pileus.store import queries
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("tasks", Task)
CLAIMABLE = "SELECT 1 FROM tasks WHERE state IN ('NEW', 'RUNNING') AND lease_until < :now LIMIT 1"
# The condition is repeated: on PostgreSQL only the outer one prevents two workers from claiming the same task.
CLAIM = f"""
UPDATE tasks SET state = 'RUNNING', lease_token = :token, lease_until = :until, updated_at = :now
WHERE id = (
    SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING') AND lease_until < :now
    ORDER BY lease_until, created_at LIMIT 1
) AND state IN ('NEW', 'RUNNING') AND lease_until < :now
RETURNING {TABLE.columns}
"""
ACKNOWLEDGE = "UPDATE tasks SET acknowledged_at = :now, acknowledged_by = :user_id WHERE "


class TaskFilter(Struct, frozen=True, kw_only=True):
    """Filters of a tenant's tasks; times are inclusive, and None adds no condition."""

    ids: Sequence[str] | None = None
    states: Sequence[str] | None = None
    task_types: Sequence[str] | None = None
    project_ids: Sequence[int] | None = None
    region_ids: Sequence[int] | None = None
    acknowledged: bool | None = None
    since: int | None = None
    until: int | None = None

    def where(self, client_id: int) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where("client_id = :client_id", client_id=client_id)
        where.any_of("id", self.ids).any_of("state", self.states).any_of("task_type", self.task_types)
        where.any_of("project_id", self.project_ids).any_of("region_id", self.region_ids)
        if self.acknowledged is not None:
            where.add(f"acknowledged_at IS {'NOT NULL' if self.acknowledged else 'NULL'}")
        return where.between("created_at", self.since, self.until)


async def find(tx: Tx, client_id: int, task_id: str) -> Task | None:
    """Return a task of a tenant, or None."""
    return await TABLE.find_one(tx, "id = :id AND client_id = :client_id", id=task_id, client_id=client_id)


async def get(tx: Tx, client_id: int, task_id: str) -> Task:
    """Return a task of a tenant; raises NotFound."""
    task = await find(tx, client_id, task_id)
    if task is None:
        raise not_found("Task", task_id)
    return task


async def page(
    tx: Tx, client_id: int, filters: TaskFilter, *, limit: int, offset: int, direction: str = "desc"
) -> tuple[int, list[Task]]:
    """Return the number of matching tasks and one page of them, sorted by creation time."""
    order = f"created_at {direction}, id {direction}"
    return await queries.page(tx, TABLE, filters.where(client_id), order, limit=limit, offset=offset)


async def acknowledge(tx: Tx, before: Task, after: Task) -> Task:
    """Save who acknowledged a task, and when."""
    await tx.run(f"{ACKNOWLEDGE}id = :id", id=before.id, now=after.acknowledged_at, user_id=after.acknowledged_by)
    return after


async def acknowledge_all(tx: Tx, client_id: int, filters: TaskFilter, *, user_id: int, now: int) -> int:
    """Acknowledge all matching tasks that have ended, and return their number."""
    where = filters.where(client_id).add("acknowledged_at IS NULL AND state IN ('FINISHED', 'ERROR')")
    return await tx.run(f"{ACKNOWLEDGE}{where}", **where.values, user_id=user_id, now=now)


async def add(tx: Tx, task: Task) -> Task:
    """Insert a task, in the transaction that locks its resources."""
    return await TABLE.add(tx, task)


async def has_claimable(tx: Tx, now: int) -> bool:
    """Return whether a task without a valid lease exists."""
    return await tx.one(CLAIMABLE, now=now) is not None


async def claim(tx: Tx, token: str, now: int, until: int) -> Task | None:
    """Claim the task that has waited longest without a valid lease; None if there is none."""
    row = await tx.one(CLAIM, token=token, now=now, until=until)
    return None if row is None else TABLE.record_from_row(row)


async def renew_lease(tx: Tx, task: Task, until: int) -> bool:
    """Extend a worker's lease; False if another worker has claimed the task."""
    return bool(
        await tx.run(
            "UPDATE tasks SET lease_until = :until WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",
            id=task.id,
            token=task.lease_token,
            until=until,
        )
    )


async def save_progress(tx: Tx, task: Task, now: int, **changes: Any) -> bool:
    """Save a worker's progress; False, and nothing written, if the worker has lost its lease."""
    values = {name: TABLE.column_value(name, value) for name, value in changes.items()}
    sets = ", ".join(f"{name} = :{name}" for name in changes)
    return bool(
        await tx.run(
            f"UPDATE tasks SET {sets}, updated_at = :now WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",
            id=task.id,
            token=task.lease_token,
            now=now,
            **values,
        )
    )


async def is_over(tx: Tx, task_id: str) -> bool:
    """Return whether a task has finished or failed."""
    return await tx.one("SELECT 1 FROM tasks WHERE id = :id AND finished_at IS NOT NULL", id=task_id) is not None


async def count_open(tx: Tx) -> int:
    """Count the tasks that are new or running."""
    row = await tx.one("SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')")
    return int(row[0]) if row else 0


async def release_all_leases(tx: Tx) -> int:
    """End every lease, when its holders are known to be dead, and return their number."""
    return await tx.run(
        "UPDATE tasks SET lease_token = NULL, lease_until = 0"
        " WHERE state IN ('NEW', 'RUNNING') AND lease_token IS NOT NULL"
    )
