"""All rows of a table, as they are in the database: read page by page, and inserted."""

from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Any

from pileus.store.database import Row, Tx
from pileus.store.table_descriptions import TableDescription

PAGE = 1000
"""Rows that are read by one statement."""
MOST_VALUES = 2000
"""Values that are inserted by one statement."""


async def read_rows(tx: Tx, table: TableDescription) -> AsyncIterator[Sequence[Row]]:
    """Yield the rows in pages, in the order of the primary key."""
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    after = f"WHERE ({key}) > ({', '.join(f':{name}' for name in table.key)})"
    end = f"ORDER BY {key} LIMIT {PAGE}"
    positions = [table.columns.index(name) for name in table.key]
    rows = await tx.all(f"SELECT {columns} FROM {table.name} {end}")
    while rows:
        yield rows
        last = dict(zip(table.key, (rows[-1][position] for position in positions), strict=True))
        rows = await tx.all(f"SELECT {columns} FROM {table.name} {after} {end}", **last)


async def insert_rows(tx: Tx, table: TableDescription, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, many by one statement."""
    size = max(1, MOST_VALUES // len(table.columns))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        values = {f"v{row}_{column}": value for row, record in enumerate(part) for column, value in enumerate(record)}
        await tx.send(_insert_statement(table, len(part)), **values)


@lru_cache
def _insert_statement(table: TableDescription, row_count: int) -> str:
    columns = range(len(table.columns))
    marks = ", ".join(f"({', '.join(f':v{row}_{column}' for column in columns)})" for row in range(row_count))
    return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES {marks}"
