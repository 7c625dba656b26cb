"""Read what has changed since a time: recent entries of the audit log, and where the tasks of a tenant stand."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pileus.domain.changes import ActionChange, TaskChange
from pileus.store.database import Tx
from pileus.store.rows import in_list_placeholders
from pileus.store.tasks import UNFINISHED

TASK_COLUMNS = "id, task_type, state, step, undoing, held_by, project_id, region_id"


async def list_actions_since(tx: Tx, client_id: int, since: int, limit: int) -> list[ActionChange]:
    """Return the entries of a tenant's audit log since a time, oldest first, at most `limit`."""
    rows = await tx.all(
        "SELECT id, created_at, project_id, region_id, action_type, api_group, resources, task_id FROM user_actions"
        f" WHERE client_id = :client_id AND created_at >= :since ORDER BY created_at, id LIMIT {limit}",
        client_id=client_id,
        since=since,
    )
    return [_action_change(row) for row in rows]


async def list_unfinished_tasks(tx: Tx, client_id: int, limit: int) -> list[TaskChange]:
    """Return where the unfinished tasks of a tenant stand, at most `limit`."""
    rows = await tx.all(
        f"SELECT {TASK_COLUMNS} FROM tasks WHERE client_id = :client_id AND {UNFINISHED} LIMIT {limit}",
        client_id=client_id,
    )
    return [_task_change(row) for row in rows]


async def list_tasks_by_id(tx: Tx, task_ids: Sequence[str]) -> list[TaskChange]:
    """Return where some tasks stand; those that are gone are left out."""
    if not task_ids:
        return []
    placeholders, values = in_list_placeholders("id", task_ids)
    rows = await tx.all(f"SELECT {TASK_COLUMNS} FROM tasks WHERE id IN ({placeholders})", **values)
    return [_task_change(row) for row in rows]


def _action_change(row: Sequence[Any]) -> ActionChange:
    resources = msgspec.json.decode(row[6]) if row[6] else []
    return ActionChange(
        id=row[0],
        created_at=row[1],
        project_id=row[2],
        region_id=row[3],
        action=row[4],
        group=row[5],
        resource_ids=[str(resource.get("resource_id", "")) for resource in resources],
        task_id=row[7],
    )


def _task_change(row: Sequence[Any]) -> TaskChange:
    return TaskChange(
        id=row[0],
        task_type=row[1],
        state=row[2],
        step=row[3],
        undoing=bool(row[4]),
        held_by=row[5],
        project_id=row[6],
        region_id=row[7],
    )
