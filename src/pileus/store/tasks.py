"""Tasks and their leases."""

from typing import Any

from pileus.domain.errors import not_found
from pileus.domain.tasks import Task
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("tasks", Task)
WAITING = "SELECT 1 FROM tasks WHERE state IN ('NEW', 'RUNNING') AND lease_until < :now LIMIT 1"
# The condition stands twice: the outer one is what keeps two workers from one task on PostgreSQL.
CLAIM = f"""
UPDATE tasks SET state = 'RUNNING', lease_token = :token, lease_until = :until, updated_at = :now
WHERE id = (
    SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING') AND lease_until < :now
    ORDER BY lease_until, created_at LIMIT 1
) AND state IN ('NEW', 'RUNNING') AND lease_until < :now
RETURNING {TABLE.columns}
"""  # noqa: S608  # names of our own


async def get(tx: Tx, client_id: int, task_id: str) -> Task:
    """One task of a tenant; raises NotFound."""
    found = await TABLE.find_one(tx, "id = :id AND client_id = :client_id", id=task_id, client_id=client_id)
    if found is None:
        raise not_found("Task", task_id)
    return found


async def add(tx: Tx, task: Task) -> Task:
    """Insert a task, in the transaction that locks what it works on."""
    return await TABLE.add(tx, task)


async def is_waiting(tx: Tx, now: int) -> bool:
    """Whether there is a task that no worker holds."""
    return await tx.one(WAITING, now=now) is not None


async def claim(tx: Tx, token: str, now: int, until: int) -> Task | None:
    """Take the task that has waited longest and that no worker holds, or None."""
    row = await tx.one(CLAIM, token=token, now=now, until=until)
    return None if row is None else TABLE.record(row)


async def holds(tx: Tx, task: Task, until: int) -> bool:
    """Prolong a worker's lease; False if another worker has taken the task over."""
    return bool(
        await tx.run(
            "UPDATE tasks SET lease_until = :until WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",
            id=task.id,
            token=task.lease_token,
            until=until,
        )
    )


async def progress(tx: Tx, task: Task, now: int, **changes: Any) -> bool:
    """Write how far a worker has come; False, with nothing written, if it holds the task no more."""
    values = {name: TABLE.value(name, value) for name, value in changes.items()}
    sets = ", ".join(f"{name} = :{name}" for name in changes)
    return bool(
        await tx.run(
            f"UPDATE tasks SET {sets}, updated_at = :now WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",  # noqa: S608
            id=task.id,
            token=task.lease_token,
            now=now,
            **values,
        )
    )


async def unfinished(tx: Tx) -> int:
    """How many tasks are new or running."""
    row = await tx.one("SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')")
    return int(row[0]) if row else 0
