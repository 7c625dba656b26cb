"""The tables of the schema in any of its versions: what a database of that version consists of."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from pileus.store.database import Migration
from pileus.store.secrets import KEY_FILE, SecretBox
from pileus.store.sqlite import Sqlite

DROPPED = re.compile(r"DROP TABLE (\w+)")
VERSIONS_TABLE = "schema_versions"
"""What the migrations fill themselves."""


class TableDescription(Struct, frozen=True):
    """A table: its name, columns and primary key, and the tables that its foreign keys refer to."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    references: frozenset[str]


async def describe_tables(migrations: Sequence[Migration]) -> list[TableDescription]:
    """Return the tables that the migrations create, without that of their versions.

    A table stands behind those that it refers to. A database of its own tells, so that no list can be out of date.
    """
    with TemporaryDirectory(prefix="pileus-") as directory:
        file = Path(directory) / "schema.db"
        db = Sqlite(file, SecretBox(file.with_name(KEY_FILE)))
        try:
            await db.migrate(migrations)
        finally:
            await db.close()
        with closing(sqlite3.connect(file)) as connection:
            tables = {name: _describe(connection, name) for name in _list_names(connection)}
    return [tables[name] for name in _sort_by_references(tables)]


def list_former_tables(migrations: Sequence[Migration]) -> list[str]:
    """Return the tables that a migration creates and a later one drops."""
    scripts = [work for _, _, work in migrations if isinstance(work, str)]
    return [name for script in scripts for name in DROPPED.findall(script)]


def _list_names(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return [name for (name,) in rows if not name.startswith("sqlite_") and name != VERSIONS_TABLE]


def _describe(connection: sqlite3.Connection, name: str) -> TableDescription:
    columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (name,)).fetchall()
    key = sorted((position, column) for column, position in columns if position)
    references = connection.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
    return TableDescription(
        name,
        tuple(column for column, _ in columns),
        tuple(column for _, column in key),
        frozenset(referred for (referred,) in references) - {name},
    )


def _sort_by_references(tables: Mapping[str, TableDescription]) -> list[str]:
    return list(TopologicalSorter({name: sorted(table.references) for name, table in tables.items()}).static_order())
