"""All there is, in the database and in the simulated world: to see what an operation has left behind."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from pileus.store.database import Database, Tx
from pileus.store.sqlite import Sqlite

Row = tuple[tuple[str, Any], ...]
Rows = dict[str, list[Row]]
Columns = dict[str, list[str]]
IN_FILE = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
)
ON_SERVER = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
    "ORDER BY table_name, ordinal_position"
)
# What only ever grows, or is not an operation's business.
GROWING = {"usage_records", "deliveries", "tasks", "user_actions", "counters", "schema_versions", "faults", "api_keys"}
# What tells that something was changed and changed back, or for which request.
RESTLESS = {"revision", "updated_at", "changed_at", "restarted_for", "reverted_for"}
# What a machine was last told of itself, more or less of which is told by each step.
SPECIFIED = {"machine"}
# Who there is, and what stays whoever comes.
STANDING = {"clients", "flavors", "users", "projects", "counters", "schema_versions", "api_keys", "faults"}


async def everything(db: Database, world: Path) -> Rows:
    """Every row of every table that matters, and everything that the simulated world holds."""
    columns = _settled(await _columns(db), GROWING)
    # One statement: it is asked often.
    parts = [
        f"SELECT '{table}', CAST(json_array({', '.join(names)}) AS TEXT) FROM {table}"
        for table, names in columns.items()
    ]
    found: Rows = {table: [] for table in columns}
    async with db.read() as tx:
        for table, values in await tx.all(" UNION ALL ".join(parts)):
            found[table].append(tuple(zip(columns[table], json.loads(values), strict=True)))
    return found | _simulated(world)


def _simulated(world: Path) -> Rows:
    with sqlite3.connect(world) as connection:
        columns = _settled(_grouped(connection.execute(IN_FILE).fetchall()), {"settings"})
        found = {
            f"simulated {table}": [
                tuple(zip(names, row, strict=True))
                for row in connection.execute(f"SELECT {', '.join(names)} FROM {table}")
            ]
            for table, names in columns.items()
        }
    connection.close()
    return found


async def _columns(db: Database) -> Columns:
    async with db.read() as tx:
        return _grouped(await tx.all(IN_FILE if isinstance(db, Sqlite) else ON_SERVER))


def _grouped(rows: Any) -> Columns:
    columns: Columns = {}
    for table, column in rows:
        columns.setdefault(table, []).append(column)
    return columns


def _settled(columns: Columns, without: set[str]) -> Columns:
    hidden = RESTLESS | SPECIFIED
    return {
        table: [name for name in names if name not in hidden]
        for table, names in columns.items()
        if table not in without
    }


async def wipe(db: Database, world: Path) -> None:
    """Forget every tenant's things, so that the next look is quick."""
    columns = await _columns(db)

    async def write(tx: Tx) -> None:
        deferred = "PRAGMA defer_foreign_keys = ON", "SET LOCAL session_replication_role = replica"
        await tx.run(deferred[not isinstance(db, Sqlite)])
        for table, names in columns.items():
            if table not in STANDING:
                await tx.run(f"DELETE FROM {table}" + (" WHERE client_id IS NOT NULL" if "client_id" in names else ""))

    await db.write(write)
    with sqlite3.connect(world) as connection:
        for table in _settled(_grouped(connection.execute(IN_FILE).fetchall()), {"settings"}):
            connection.execute(f"DELETE FROM {table}")
    connection.close()


def difference(before: Rows, after: Rows) -> dict[str, list[Any]]:
    """What is there now and was not, and the other way round."""
    changes = {}
    for table in after:
        gone, come = set(before[table]) - set(after[table]), set(after[table]) - set(before[table])
        if gone or come:
            changes[table] = [*(("gone", row) for row in gone), *(("new", row) for row in come)]
    return changes


def locks(rows: Rows, client_id: int) -> list[tuple[str, dict[str, Any]]]:
    """Whatever of a tenant's is still held by a task."""
    return [
        (table, named)
        for table, found in rows.items()
        for named in map(dict, found)
        if named.get("client_id") == client_id and (named.get("task_id") or named.get("task_state"))
    ]
