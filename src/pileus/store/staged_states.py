"""Prepare a file with the state of a cloud for loading: in a SQLite database of its own, with the newest schema.

Whatever is wrong with the file is found here, before the cloud is touched.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from pileus.domain.errors import Invalid, Unavailable
from pileus.store import secret_keys
from pileus.store.database import Tx
from pileus.store.schema import load_migrations
from pileus.store.secrets import SecretBox, SecretsKeyError
from pileus.store.sqlite import Sqlite
from pileus.store.state_files import PAGE_ROWS, StateReader
from pileus.store.tables import CLOUD_TABLES

FILE = "staged.db"
TYPES: Mapping[str, type] = {"BIGINT": int, "INTEGER": int, "TEXT": str}
UNKNOWN_KEY = (
    "The file has secrets that were encrypted by a key which this server does not have: add the lines of the other "
    "server's secrets.key to that of this server, or save the file again with --plain-secrets"
)


def stage_state(source: IO[bytes], directory: Path, secrets_file: Path) -> None:
    """Write the contents of a file into a database in a directory. Call it in a thread. Raises Invalid."""
    asyncio.run(_stage(source, directory, secrets_file))


async def _stage(source: IO[bytes], directory: Path, secrets_file: Path) -> None:
    migrations = load_migrations()
    reader = StateReader(source)
    header = reader.read_header(migrations[-1][0])
    db = Sqlite(directory / FILE, SecretBox(secrets_file))
    try:
        await db.migrate(migrations[: header.schema])
        await _fill(db, directory / FILE, reader)
        await db.migrate(migrations)
        await _encrypt_secrets(db)
    finally:
        await db.close()


async def _fill(db: Sqlite, path: Path, reader: StateReader) -> None:
    schema = _read_schema(path)
    # Migrations may have written rows that the file has too.
    for table in (table.name for table in reversed(CLOUD_TABLES) if table.name in schema):
        await db.write(partial(_remove_all, table))
    for start, rows in reader.read_pages():
        columns = schema.get(start.table)
        if columns is None or sorted(columns) != sorted(start.columns):
            raise reader.describe_line(f"{start.table} is no table of this version, or has other columns")
        try:
            _check_types(columns, start.columns, rows)
            await db.write(partial(insert_rows, start.table, start.columns, rows))
        except (ValueError, sqlite3.Error) as error:
            raise reader.describe_line(f"near a row of {start.table}: {error}") from error


async def _encrypt_secrets(db: Sqlite) -> None:
    """Encrypt all secrets by the newest key of this server. Raises Invalid if one cannot be read."""
    try:
        await secret_keys.rotate_secrets(db, add_key=False)
    except (SecretsKeyError, Unavailable) as error:
        raise Invalid(UNKNOWN_KEY) from error


async def _remove_all(table: str, tx: Tx) -> None:
    await tx.run(f"DELETE FROM {table}")


async def insert_rows(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], tx: Tx) -> None:
    """Insert rows, many by one statement."""
    at_once = max(1, 500 // len(columns))
    for start in range(0, len(rows), at_once):
        chunk = rows[start : start + at_once]
        marks = ", ".join(f"({', '.join(f':v{n}_{at}' for at in range(len(columns)))})" for n in range(len(chunk)))
        values = {f"v{n}_{at}": value for n, row in enumerate(chunk) for at, value in enumerate(row)}
        await tx.send(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}", **values)


def _read_schema(path: Path) -> dict[str, dict[str, type]]:
    """Return the types of the columns of each table."""
    with sqlite3.connect(path) as connection:
        names = [table.name for table in CLOUD_TABLES]
        schema = {
            name: {row[1]: TYPES[row[2].upper()] for row in connection.execute(f"PRAGMA table_info({name})")}
            for name in names
        }
    connection.close()
    return {name: columns for name, columns in schema.items() if columns}


def _check_types(types: Mapping[str, type], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Raise ValueError for a value of a type that its column does not have: SQLite itself would take it."""
    expected = [types[column] for column in columns]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} values for {len(columns)} columns")
        for value, kind, column in zip(row, expected, columns, strict=True):
            if value is not None and type(value) is not kind:
                raise ValueError(f"{column} is not of type {kind.__name__}")


def read_staged(directory: Path) -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    """Yield the tables of a staged state, with their columns and pages of their rows."""
    connection = sqlite3.connect(directory / FILE)
    try:
        for table in CLOUD_TABLES:
            cursor = connection.execute(f"SELECT * FROM {table.name}")
            columns = [str(column[0]) for column in cursor.description]
            while page := cursor.fetchmany(PAGE_ROWS):
                yield table.name, columns, page
    finally:
        connection.close()
