"""The contents of a project: locked together when its deletion starts, and removed together when it ends."""

from typing import TypeVar

from msgspec import Struct

from pileus.domain.errors import Conflict
from pileus.store import queries
from pileus.store.compute import instance_stamps
from pileus.store.count_changes import CountScope
from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.rows import Table
from pileus.store.table_counts import TableCounts
from pileus.store.tables import OWN, STORED_TABLES, Content

R = TypeVar("R", bound=Struct)

LOCKABLE = (
    "instances", "volumes", "snapshots", "images", "networks", "subnets", "routers", "ports", "floating_ips",
    "security_groups", "placement_groups", "ddos_profiles", "load_balancers", "pools", "listeners", "members",
    "health_monitors", "l7_policies", "l7_rules", "secrets", "file_shares",
)  # fmt: skip
"""Tables of resources that a project owns and a task can lock."""

UNFINISHED_TASKS = """
SELECT 1 FROM tasks WHERE state IN ('NEW', 'RUNNING')
    AND client_id = (SELECT client_id FROM projects WHERE id = :project_id) AND project_id = :project_id
"""
BUSY = "A task is under way in project {}: try again when it has finished"
DELETION_ORDER = {
    table.name: table.of_project for table in reversed(STORED_TABLES) if table.content is Content.RESOURCES
}
"""Conditions that select the rows of a project, by table, in the order in which they can be deleted."""


OWN_TABLES = frozenset(table for table, of_project in DELETION_ORDER.items() if of_project == OWN)
"""The tables of what a project contains itself, without its parts."""


async def lock(tx: Tx, project_id: int, task_id: str) -> None:
    """Lock everything in a project for a task; raises Conflict if another task is working in it."""
    for table in LOCKABLE:
        await tx.send(
            f"UPDATE {table} SET task_id = :task_id, revision = revision + 1"
            " WHERE project_id = :project_id AND task_id IS NULL",
            project_id=project_id,
            task_id=task_id,
        )
    await instance_stamps.bump(tx, instance_stamps.OF_PROJECT, project_id=project_id)
    tx.saved_instances.clear()
    await tx.run("UPDATE instances SET task_state = 'deleting' WHERE project_id = :project_id", project_id=project_id)
    await tx.run("UPDATE ssh_keys SET state = 'DELETING' WHERE project_id = :project_id", project_id=project_id)
    await check_no_other_task(tx, project_id, task_id)


async def check_no_task(tx: Tx, project_id: int) -> None:
    """Raise Conflict if a task is working in a project."""
    if await tx.one(f"{UNFINISHED_TASKS} LIMIT 1", project_id=project_id):
        raise Conflict(BUSY.format(project_id))


async def check_no_other_task(tx: Tx, project_id: int, task_id: str) -> None:
    """Raise Conflict if a task other than the given one is working in a project."""
    busy = f"{UNFINISHED_TASKS} AND id <> :task_id"
    others = "SELECT 1 FROM {table} WHERE project_id = :project_id AND (task_id IS NULL OR task_id <> :task_id)"
    for statement in (busy, *(others.format(table=table) for table in LOCKABLE)):
        if await tx.one(f"{statement} LIMIT 1", project_id=project_id, task_id=task_id):
            raise Conflict(BUSY.format(project_id))


async def find_resource(tx: Tx, project_id: int) -> str | None:
    """Return the name of a table with a resource of a project, or None. Default security groups do not count."""
    for table, of_project in DELETION_ORDER.items():
        if table in OWN_TABLES:
            statement = f"SELECT 1 FROM {table} WHERE {of_project}{_without_default_groups(table)} LIMIT 1"
            if await tx.one(statement, project_id=project_id):
                return table
    return None


def _without_default_groups(table: str) -> str:
    return " AND is_default = 0" if table == "security_groups" else ""


async def unlock(tx: Tx, project_id: int, task_id: str) -> None:
    """Release the locks that a task has on a project's contents."""
    await instance_stamps.bump(tx, instance_stamps.OF_PROJECT, project_id=project_id)
    tx.saved_instances.clear()
    await tx.run(
        "UPDATE instances SET task_state = NULL WHERE project_id = :project_id AND task_id = :task_id",
        project_id=project_id,
        task_id=task_id,
    )
    for table in LOCKABLE:
        await tx.send(
            f"UPDATE {table} SET task_id = NULL, revision = revision + 1"
            " WHERE project_id = :project_id AND task_id = :task_id",
            project_id=project_id,
            task_id=task_id,
        )
    await tx.send("UPDATE ssh_keys SET state = 'ACTIVE' WHERE project_id = :project_id", project_id=project_id)


async def set_status(tx: Tx, table: str, resource_id: str, status: str) -> None:
    """Set the status of a resource."""
    tx.saved_instances.clear()
    await tx.send(
        f"UPDATE {table} SET status = :status, revision = revision + 1 WHERE id = :id",
        id=resource_id,
        status=status,
    )


async def set_status_by_lock(tx: Tx, table: str, project_id: int, task_id: str, status: str) -> None:
    """Set the status of the resources of a project that a task has locked."""
    tx.saved_instances.clear()
    await tx.send(
        f"UPDATE {table} SET status = :status, revision = revision + 1"
        " WHERE project_id = :project_id AND task_id = :task_id",
        project_id=project_id,
        task_id=task_id,
        status=status,
    )


async def set_status_of_all(tx: Tx, table: str, project_id: int, before: str, after: str) -> None:
    """Change the status of all resources of a project that have the status `before`."""
    tx.saved_instances.clear()
    await tx.send(
        f"UPDATE {table} SET status = :after, revision = revision + 1"
        " WHERE project_id = :project_id AND status = :before",
        project_id=project_id,
        before=before,
        after=after,
    )


async def remove(tx: Tx, project_id: int) -> None:
    """Delete the records of everything in a project; its tasks and audit log stay."""
    tx.saved_instances.clear()
    for table, of_project in DELETION_ORDER.items():
        await TableCounts(table).delete(tx, of_project, project_id=project_id)
    tx.count_changes.drop_zeros(CountScope.PROJECT, project_id)


async def list_regions_and_ids(tx: Tx, table: str, project_id: int) -> list[tuple[int, str]]:
    """Return the region and the id of each of a project's resources in a table."""
    rows = await tx.all(f"SELECT region_id, id FROM {table} WHERE {OWN} ORDER BY id", project_id=project_id)
    return [(row[0], row[1]) for row in rows]


async def list_region_ids(tx: Tx, project_id: int) -> list[int]:
    """Return the regions in which a project has resources. Default security groups do not count."""
    selects = " UNION ".join(
        f"SELECT region_id FROM {table} WHERE {OWN}{_without_default_groups(table)}" for table in LOCKABLE
    )
    return sorted(region_id for (region_id,) in await tx.all(selects, project_id=project_id))


async def list_records(tx: Tx, table: Table[R], project_id: int, status: str | None = None) -> list[R]:
    """Return a project's records in a table, those with one status if given."""
    where = queries.Where(OWN, project_id=project_id).equal("status", status)
    return await table.find(tx, str(where), **where.values)


async def list_by_lock(tx: Tx, table: Table[R], project_id: int, task_id: str) -> list[R]:
    """Return the records of a project in a table that a task has locked."""
    where = f"{OWN} AND task_id = :task_id {FOR_CHANGE}"
    return await table.find(tx, where, project_id=project_id, task_id=task_id)
