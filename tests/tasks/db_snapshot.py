"""Compare all rows of the database, also those of the simulated driver, to find what an operation has left behind."""

import json
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from pileus.store.database import Database, Tx
from pileus.store.sqlite import Sqlite
from tests.watched_transactions import leave_unwatched

Columns = dict[str, list[str]]
KNOWN_COLUMNS: WeakKeyDictionary[Database, Columns] = WeakKeyDictionary()
SQLITE_COLUMNS = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
)
POSTGRESQL_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
    "ORDER BY table_name, ordinal_position"
)
# Tables that only grow, that operations do not change, or that another check compares.
IGNORED_TABLES = {
    "usage_records",
    "deliveries",
    "tasks",
    "user_actions",
    "counters",
    "resource_counts",
    "schema_versions",
    "faults",
    "api_keys",
    "login_sessions",
    "simulated_settings",
    "retention",
    "controls",
    "http_faults",
    "account_revisions",
}
# Columns that differ after a change was reverted.
CHANGE_COLUMNS = {"revision", "stamp", "updated_at", "changed_at", "change_number", "restarted_for", "reverted_for"}
# The last specification of a machine, of which each step sends another part, and counters that a change interrupts.
SPECIFICATION_COLUMNS = {("simulated_machines", "spec"), ("simulated_network_parts", "traffic")}
# The last outage of an instance: a reboot is one, even if it fails. Those of members are injected, and stay compared.
OUTAGE_COLUMNS = {("instances", "outage_began_at"), ("instances", "outage_ended_at")}
LOCK_COLUMNS = {"task_id", "task_state"}
# Tables that are kept between tests.
KEPT_TABLES = {"clients", "flavors", "users", "projects", "counters", "schema_versions", "api_keys", "faults"}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of tables as texts: most are only compared."""

    columns: Columns = field(default_factory=dict)
    texts: dict[str, set[str]] = field(default_factory=dict)

    def parse(self, table: str, text: str) -> dict[str, Any]:
        """Return the values of a row by their columns."""
        return dict(zip(self.columns[table], json.loads(text), strict=True))


async def load_all_rows(db: Database) -> Rows:
    """Return the rows of all relevant tables."""
    columns = _compared(await _load_columns_once(db), IGNORED_TABLES)
    # One statement, because tests call this often.
    parts = [
        f"SELECT '{table}', CAST(json_array({', '.join(names)}) AS TEXT) FROM {table}"
        for table, names in columns.items()
    ]
    rows = Rows(columns, {table: set() for table in columns})
    async with db.read() as tx:
        for table, text in await tx.all(" UNION ALL ".join(parts)):
            rows.texts[table].add(text)
    return rows


async def load_columns(db: Database) -> Columns:
    """Return the columns of each table."""
    async with db.read() as tx:
        return _grouped(await tx.all(SQLITE_COLUMNS if isinstance(db, Sqlite) else POSTGRESQL_COLUMNS))


async def _load_columns_once(db: Database) -> Columns:
    """Return the columns of a database whose schema does not change any more: asking for them takes long."""
    if db not in KNOWN_COLUMNS:
        KNOWN_COLUMNS[db] = await load_columns(db)
    return KNOWN_COLUMNS[db]


def _grouped(rows: Any) -> Columns:
    columns: Columns = {}
    for table, column in rows:
        columns.setdefault(table, []).append(column)
    return columns


def _compared(columns: Columns, without: set[str]) -> Columns:
    ignored = SPECIFICATION_COLUMNS | OUTAGE_COLUMNS
    return {
        table: [name for name in names if name not in CHANGE_COLUMNS and (table, name) not in ignored]
        for table, names in columns.items()
        if table not in without
    }


async def delete_tenant_rows(db: Database) -> None:
    """Delete the rows of all tenants, so that the next comparison is fast."""
    columns = await _load_columns_once(db)

    async def write(tx: Tx) -> None:
        no_foreign_keys = "PRAGMA defer_foreign_keys = ON", "SET LOCAL session_replication_role = replica"
        await tx.run(no_foreign_keys[not isinstance(db, Sqlite)])
        for table, names in columns.items():
            if table not in KEPT_TABLES:
                await tx.run(f"DELETE FROM {table}" + (" WHERE client_id IS NOT NULL" if "client_id" in names else ""))

    with leave_unwatched():
        await db.write(write)


def diff_rows(before: Rows, after: Rows) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return the new and the removed rows of each table."""
    changes = {}
    for table, texts in after.texts.items():
        removed, new = before.texts[table] - texts, texts - before.texts[table]
        if removed or new:
            changes[table] = [
                *(("removed", after.parse(table, text)) for text in removed),
                *(("new", after.parse(table, text)) for text in new),
            ]
    return changes


def locked_rows(rows: Rows, client_id: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a tenant that a task has locked."""
    return [
        (table, values)
        for table, texts in rows.texts.items()
        if "client_id" in rows.columns[table] and LOCK_COLUMNS & {*rows.columns[table]}
        for values in (rows.parse(table, text) for text in texts)
        if values["client_id"] == client_id and any(values.get(name) for name in LOCK_COLUMNS)
    ]
