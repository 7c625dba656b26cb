"""Tasks and their leases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.account.quotas import ALL_REGIONS
from pileus.domain.errors import not_found
from pileus.domain.tasks import QueueFigures, SlotClass, Task, UnfinishedTasks, has_secret_args
from pileus.store import queries, resource_counts
from pileus.store.database import FOR_USE, SKIPPING_LOCKED, Tx
from pileus.store.open_transactions import has_joined
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.table_counts import UNFINISHED_TASKS

TABLE = Table("tasks", Task, secrets={"args": has_secret_args})
UNFINISHED = "state IN ('NEW', 'RUNNING')"
QUEUED = f"{UNFINISHED} AND held_by IS NULL AND slot_class = :slot_class"
CLAIMABLE = f"{QUEUED} AND lease_until < :now{{others}}"
# Each recursion is one access to the index, from a queue to the next one, however many tasks the queue has.
NEXT_QUEUE = f"""
WITH RECURSIVE queues (name) AS (
    SELECT min(queue) FROM tasks WHERE {QUEUED} AND queue > :after
    UNION ALL
    SELECT (SELECT min(queue) FROM tasks WHERE {QUEUED} AND queue > queues.name) FROM queues WHERE name IS NOT NULL
)
SELECT name FROM queues WHERE (
    SELECT client_id FROM tasks WHERE {CLAIMABLE} AND queue = queues.name ORDER BY lease_until LIMIT 1
) NOT IN """
# On PostgreSQL, workers that claim at the same moment take different tasks. The condition is repeated, because a task
# may have been claimed between the inner statement and the outer one.
CLAIM = f"""
UPDATE tasks SET state = 'RUNNING', lease_token = :token, lease_until = :until, updated_at = :updated_at,
    interrupted = CASE WHEN lease_token IS NULL THEN interrupted ELSE 1 END
WHERE id = (
    SELECT id FROM tasks WHERE {CLAIMABLE} AND queue = :queue ORDER BY lease_until, created_at LIMIT 1
    {SKIPPING_LOCKED}
) AND {CLAIMABLE}
RETURNING {TABLE.columns}
"""
NO_CLIENT = 0
ACKNOWLEDGE = "UPDATE tasks SET acknowledged_at = :now, acknowledged_by = :user_id WHERE "


class Lease(Struct, frozen=True):
    """The lease of a worker: its token, when it begins, and when it ends, on the clock of the system."""

    token: str
    since: int
    until: int


CURRENT: ContextVar[Task] = ContextVar("claimed_task")
"""The task that a worker performs."""


class OthersTasks(Struct, frozen=True):
    """Tasks that a worker leaves to the workers of other servers: of regions or of types that it does not know."""

    region_ids: frozenset[int] = frozenset()
    task_types: frozenset[str] = frozenset()

    def excluding(self) -> tuple[str, dict[str, Any]]:
        """Return a condition that excludes them, and its values."""
        condition, values = "", dict[str, Any]()
        if self.region_ids:
            marks, values = in_list_placeholders("region", sorted(self.region_ids))
            condition = f" AND COALESCE(region_id, 0) NOT IN ({marks})"
        if self.task_types:
            marks, types = in_list_placeholders("type", sorted(self.task_types))
            condition, values = f"{condition} AND task_type NOT IN ({marks})", {**values, **types}
        return condition, values


NO_OTHERS = OthersTasks()


class LeaseLostError(Exception):
    """Another worker has claimed the task, or the task is gone; this worker must not write any more."""


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
    await tx.send(f"{ACKNOWLEDGE}id = :id", id=before.id, now=after.acknowledged_at, user_id=after.acknowledged_by)
    return after


async def acknowledge_all(tx: Tx, client_id: int, filters: TaskFilter, *, user_id: int, now: int) -> int:
    """Acknowledge all matching tasks that have ended, and return their number."""
    where = filters.where(client_id).add("acknowledged_at IS NULL AND state IN ('FINISHED', 'ERROR')")
    return await tx.run(f"{ACKNOWLEDGE}{where}", **where.values, user_id=user_id, now=now)


async def add(tx: Tx, task: Task) -> Task:
    """Insert a task, in the transaction that locks its resources."""
    return await TABLE.add(tx, task)


async def find_next_queue(
    tx: Tx,
    slot_class: SlotClass,
    after: str,
    now: int,
    excluded_clients: Sequence[int] = (),
    others: OthersTasks = NO_OTHERS,
) -> str | None:
    """Return the queue behind `after` that has a task without a valid lease; behind the last one is the first one."""
    marks, clients = in_list_placeholders("client", [NO_CLIENT, *excluded_clients])
    condition, values = others.excluding()
    statement = f"{NEXT_QUEUE.format(others=condition)} ({marks}) LIMIT 1"
    for start in (after, "") if after else ("",):
        if row := await tx.one(statement, slot_class=slot_class, after=start, now=now, **clients, **values):
            return str(row[0])
    return None


async def claim(
    tx: Tx, slot_class: SlotClass, queue: str, lease: Lease, updated_at: int, others: OthersTasks = NO_OTHERS
) -> Task | None:
    """Claim the task of a queue that has waited longest without a valid lease; None if there is none."""
    condition, values = others.excluding()
    values |= {"token": lease.token, "now": lease.since, "until": lease.until, "updated_at": updated_at}
    row = await tx.one(CLAIM.format(others=condition), slot_class=slot_class, queue=queue, **values)
    return None if row is None else TABLE.record_from_row(tx, row)


async def hold(tx: Tx, task: Task, fault_id: str, now: int, *, lease_until: int) -> bool:
    """End a worker's lease until the fault is deleted; if that has happened already, the task can be claimed at once.

    Deleting the fault sets `held_by` to null. Returns False, and writes nothing, if the worker has lost its lease.
    """
    return bool(
        await tx.run(
            "UPDATE tasks SET held_by = (SELECT id FROM faults WHERE id = :fault_id), lease_token = NULL,"
            " lease_until = :lease_until, updated_at = :now, step = :step, last_step = :last_step,"
            " attempts = :attempts"
            " WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",
            id=task.id,
            token=task.lease_token,
            fault_id=fault_id,
            now=now,
            lease_until=lease_until,
            step=task.step,
            last_step=task.last_step,
            attempts=task.attempts,
        )
    )


async def renew_lease(tx: Tx, task: Task, until: int) -> bool:
    """Extend a worker's lease; False if another worker has claimed the task."""
    if has_joined():
        return True
    return bool(
        await tx.run(
            "UPDATE tasks SET lease_until = :until WHERE id = :id AND lease_token = :token AND state = 'RUNNING'",
            id=task.id,
            token=task.lease_token,
            until=until,
        )
    )


@contextmanager
def performing(task: Task) -> Iterator[None]:
    """Set the task that the worker performs, for `find_performed`."""
    token = CURRENT.set(task)
    try:
        yield
    finally:
        CURRENT.reset(token)


def find_performed() -> Task | None:
    """Return the task that the calling worker performs, or None outside of a worker."""
    return CURRENT.get(None)


async def check_lease(tx: Tx, task: Task) -> None:
    """Check that the worker holds the task, which stays so until the transaction ends. Raises LeaseLostError.

    For what a worker writes by its driver: not even that may come after the task is gone.
    """
    if has_joined():
        return
    lease = f"SELECT 1 FROM tasks WHERE id = :id AND lease_token = :token AND state = 'RUNNING' {FOR_USE}"
    if await tx.one(lease, id=task.id, token=task.lease_token) is None:
        raise LeaseLostError(task.id)


async def save_progress(tx: Tx, task: Task, now: int, **changes: Any) -> bool:
    """Save a worker's progress; False, and nothing written, if the worker has lost its lease."""
    values = {name: TABLE.column_value(tx, name, value) for name, value in changes.items()}
    sets = ", ".join(f"{name} = :{name}" for name in changes)
    statement = f"UPDATE tasks SET {sets}, updated_at = :now WHERE id = :id"
    if has_joined():
        # The task is that of the transaction, which may have started it without a lease.
        is_saved = bool(await tx.run(statement, id=task.id, now=now, **values))
    else:
        is_held = "lease_token = :token AND state = 'RUNNING'"
        is_saved = bool(
            await tx.run(f"{statement} AND {is_held}", id=task.id, token=task.lease_token, now=now, **values)
        )
    if is_saved and "finished_at" in changes:
        TABLE.note_change(tx, task, replace(task, finished_at=changes["finished_at"]))
    return is_saved


async def is_over(tx: Tx, task_id: str) -> bool:
    """Return whether a task has finished, has failed, or is gone."""
    return await tx.one("SELECT 1 FROM tasks WHERE id = :id AND finished_at IS NULL", id=task_id) is None


async def measure_open_tasks(tx: Tx) -> list[UnfinishedTasks]:
    """Return the number and the age of the tasks that are new or running, by type and state."""
    rows = await tx.all(
        f"SELECT task_type, state, count(*), min(created_at) FROM tasks WHERE {UNFINISHED}"
        " GROUP BY task_type, state ORDER BY task_type, state"
    )
    return [
        UnfinishedTasks(task_type=task_type, state=state, count=count, oldest_created_at=created_at)
        for task_type, state, count, created_at in rows
    ]


async def count_unfinished_of_tenant(tx: Tx, client_id: int) -> int:
    """Return the number of tasks of a tenant that are new or running."""
    counts = await resource_counts.list_of_tenant(tx, client_id, ALL_REGIONS)
    return sum(count for (name, _), count in counts.items() if name == UNFINISHED_TASKS)


async def measure_queues(tx: Tx, system_now: int) -> dict[str, QueueFigures]:
    """Return how many tasks have no valid lease and wait for a slot of each class, and since when."""
    rows = await tx.all(
        "SELECT slot_class, count(*), min(CASE WHEN lease_until > created_at THEN lease_until ELSE created_at END)"
        f" FROM tasks WHERE {UNFINISHED} AND held_by IS NULL AND lease_until < :now GROUP BY slot_class",
        now=system_now,
    )
    figures = {str(name): QueueFigures(waiting=waiting, oldest_since=since) for name, waiting, since in rows}
    return {slot_class.value: figures.get(slot_class, QueueFigures()) for slot_class in SlotClass}


async def release_all_leases(tx: Tx) -> int:
    """End every lease, when its holders are known to be dead, and return their number."""
    return await tx.run(
        "UPDATE tasks SET lease_token = NULL, lease_until = 0, interrupted = 1"
        " WHERE state IN ('NEW', 'RUNNING') AND lease_token IS NOT NULL"
    )
