"""Delete what has been made since the first start, since a tenant was created, or in a project.

Workers of tasks write nothing more when their tasks are deleted: each of their transactions locks the task.
"""

from pileus.store.database import FOR_CHANGE, Tx
from pileus.store.table_counts import TableCounts
from pileus.store.tables import CLOUD_TABLES, StoredTable

OF_PROJECT = tuple(table for table in reversed(CLOUD_TABLES) if table.of_project)
OF_TENANT = tuple(table for table in reversed(CLOUD_TABLES) if table.of_tenant)
NUMBERED = ("projects", "subscriptions", "limit_requests", "lifecycle_policies", "blackhole_ports", "ddos_profiles")
"""Tables whose ids are those of the counter with their name."""
SKIPPING = ("clients", "users", "api_keys")
"""Tables whose ids are numbers of the counter with their name that are free."""
TASKS = next(table for table in CLOUD_TABLES if table.name == "tasks")


async def remove_everything(tx: Tx, *, with_kept: bool = False) -> None:
    """Delete all rows, but those of the catalogue unless `with_kept`.

    No other transaction may run: see `Database.write_alone`.
    """
    for table in reversed(CLOUD_TABLES):
        condition = f" WHERE NOT ({table.kept})" if table.kept and not with_kept else ""
        await tx.send(f"DELETE FROM {table.name}{condition}")
    tx.count_changes.clear()


async def remove_of_project(tx: Tx, client_id: int, project_id: int) -> None:
    """Delete what a project contains, with its tasks, audit log and usage. The project stays."""
    await tx.all(f"SELECT id FROM projects WHERE id = :id {FOR_CHANGE}", id=project_id)
    # The tasks first: their workers can write nothing more.
    for table in (TASKS, *OF_PROJECT):
        await _delete(tx, table, table.of_project, client_id=client_id, project_id=project_id)


async def remove_of_tenant(tx: Tx, client_id: int) -> None:
    """Delete what belongs to a tenant itself: its faults, quotas, subscriptions, audit log, and the rest of its tasks.

    Its projects, users and keys stay.
    """
    for table in OF_TENANT:
        await _delete(tx, table, table.of_tenant, client_id=client_id)


async def _delete(tx: Tx, table: StoredTable, condition: str, **values: int) -> None:
    await TableCounts(table.name).delete(tx, condition, **values)


async def restart_numbers(tx: Tx) -> None:
    """Give out again the ids that no record has any more."""
    for name in (*NUMBERED, *SKIPPING):
        await tx.send("DELETE FROM counters WHERE name = :name", name=name)
    for name in NUMBERED:
        await tx.send(f"INSERT INTO counters (name, value) SELECT '{name}', max(id) FROM {name} HAVING count(*) > 0")
