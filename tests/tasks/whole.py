"""All there is, in the database and in the simulated world: to see what an operation has left behind."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from pileus.store.contents import REMOVED
from pileus.store.database import Database, Tx
from pileus.store.sqlite import Sqlite

Rows = dict[str, list[tuple[Any, ...]]]
COLUMNS = {
    True: "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    False: "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
}
# What only ever grows, or is not an operation's business.
KEPT = {"tasks", "user_actions", "counters", "schema_versions", "faults", "api_keys"}
# What tells that something was changed and changed back.
RESTLESS = {"revision", "updated_at", "changed_at"}
# What others than tenants have too.
SHARED = {"subnets", "networks", "images"}
SEEN = {
    "machines": "id, status, vm_state",
    "volumes": "id, size, machine_id",
    "snapshots": "id",
    "interfaces": "port_id, machine_id",
    "protections": "region_id, ip_address, active",
    **dict.fromkeys(("networks", "subnets", "routers", "router_ports"), "id, parent, facts"),
}


async def everything(db: Database, world: Path) -> Rows:
    """Every row of every table that matters, and everything that the simulated world holds."""
    async with db.read() as tx:
        columns: dict[str, list[str]] = {}
        for table, column in sorted(map(tuple, await tx.all(COLUMNS[isinstance(db, Sqlite)]))):
            if table not in KEPT and column not in RESTLESS:
                columns.setdefault(table, []).append(column)
        found = {table: await _rows(tx, table, names) for table, names in columns.items()}
    with sqlite3.connect(world) as connection:
        for table, names in SEEN.items():
            found[f"simulated {table}"] = sorted(connection.execute(f"SELECT {names} FROM {table}"), key=str)
    connection.close()
    return found


async def _rows(tx: Tx, table: str, names: list[str]) -> list[tuple[Any, ...]]:
    rows = await tx.all(f"SELECT {', '.join(names)} FROM {table}")
    return sorted((tuple(zip(names, row, strict=True)) for row in rows), key=str)


async def wipe(db: Database, world: Path) -> None:
    """Forget every tenant's things, so that the next look is quick."""

    async def write(tx: Tx) -> None:
        for table in ("tasks", "user_actions", *REMOVED):
            await tx.run(f"DELETE FROM {table}" + (" WHERE client_id IS NOT NULL" if table in SHARED else ""))

    await db.write(write)
    with sqlite3.connect(world) as connection:
        for table in SEEN:
            connection.execute(f"DELETE FROM {table}")
    connection.close()


def difference(before: Rows, after: Rows) -> dict[str, list[Any]]:
    """What is there now and was not, and the other way round."""
    changes = {}
    for table in after:
        gone, come = Counter(before[table]), Counter(after[table])
        if gone != come:
            changes[table] = [("gone", row) for row in gone - come] + [("new", row) for row in come - gone]
    return changes


def locks(rows: Rows, client_id: int) -> list[tuple[str, Any]]:
    """Whatever of a tenant's is still held by a task."""
    named = [(table, dict_of(row)) for table, found in rows.items() for row in found]
    return [
        (table, row)
        for table, row in named
        if row.get("client_id") == client_id and (row.get("task_id") or row.get("task_state"))
    ]


def dict_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row as a map, if it has names."""
    return {each[0]: each[1] for each in row if isinstance(each, tuple)}
