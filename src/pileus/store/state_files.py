"""Files with the state of a cloud: what they contain, how they are written, and how they are read.

A file is compressed lines of JSON: a header, then for each table its name with its columns and its rows, and a last
line with the number of rows. So a file that has been cut off is recognized.
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import IO, Any

import msgspec
from msgspec import Struct

from pileus.domain.errors import Invalid
from pileus.store.database import NEWEST, Database, Row, Tx
from pileus.store.secret_keys import FIRST_IDS
from pileus.store.tables import CLOUD_TABLES

FORMAT, FORMAT_VERSION = "pileus-state", 1
PAGE_ROWS = 2_000
"""Rows that are read, or written, at a time."""
LONGEST_LINE = 64 << 20
"""Bytes of a row: a row holds at most the body of a request, which is smaller."""
LEVEL = 3
"""Of compression: higher ones take much longer for little."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "counters": ("name",),
    "quota_limits": ("client_id", "region_id", "name"),
    "quota_thresholds": ("client_id",),
    "account_revisions": ("client_id",),
    "account_copies": ("client_id",),
    "resource_counts": ("scope", "region_id", "owner_id", "name", "part"),
    "client_capacities": ("client_id", "region_id", "flavor_id"),
    "usage_records": ("resource_id", "started_at"),
    "deliveries": ("subscription_id", "created_at", "action_id"),
    "tags": ("resource_id", "key"),
    "port_security_groups": ("port_id", "security_group_id"),
    "secret_uses": ("secret_id", "holder_id"),
    "addresses": ("subnet_id", "ip"),
    "due_snapshots": ("schedule_id", "volume_id"),
    "policy_volumes": ("lifecycle_policy_id", "volume_id"),
    "attachments": ("volume_id",),
    "simulated_network_parts": ("kind", "id"),
    "simulated_protections": ("region_id", "ip_address"),
    "simulated_settings": ("name",),
    "controls": ("name",),
}
"""The primary keys other than `id`."""
SECRET_COLUMNS = {(table.name, column) for table in FIRST_IDS for column in table.secrets}


class Header(Struct, kw_only=True):
    """The first line: the version of the format, and of the schema that the rows fit."""

    format: str
    version: int
    schema: int


class TableStart(Struct, kw_only=True):
    """The line in front of the rows of a table."""

    table: str
    columns: list[str]


class End(Struct, kw_only=True):
    """The last line."""

    rows: int


async def write_state(db: Database, output: IO[bytes], *, plain_secrets: bool) -> None:
    """Write the state of a cloud, as it is at one moment."""
    count = 0
    with gzip.GzipFile(filename="", fileobj=output, mode="wb", compresslevel=LEVEL, mtime=0) as file:
        async with db.scan() as tx:
            schema = await tx.one(NEWEST)
            header = Header(format=FORMAT, version=FORMAT_VERSION, schema=int(schema[0]) if schema else 0)
            _write_lines(file, [header])
            async for start, rows in _read_tables(db, tx):
                lines = _decrypt(db, start, rows) if plain_secrets else rows
                await asyncio.to_thread(_write_lines, file, lines or [start])
                count += len(rows)
        _write_lines(file, [End(rows=count)])


async def _read_tables(db: Database, tx: Tx) -> AsyncIterator[tuple[TableStart, Sequence[Row]]]:
    """Yield each table, first without rows and then with pages of them."""
    columns = await list_columns(db, tx)
    for table in CLOUD_TABLES:
        if table.name in columns:
            start = TableStart(table=table.name, columns=columns[table.name])
            yield start, []
            async for rows in _read_pages(tx, start.table, start.columns):
                yield start, rows


async def list_columns(db: Database, tx: Tx) -> dict[str, list[str]]:
    """Return the columns of each table, in their order."""
    columns: dict[str, list[str]] = {}
    for table, column in await tx.all(db.columns_statement):
        columns.setdefault(str(table), []).append(str(column))
    return columns


async def _read_pages(tx: Tx, table: str, columns: Sequence[str]) -> AsyncIterator[Sequence[Row]]:
    """Yield the rows of a table, in the order of its key."""
    key = KEYS.get(table, ("id",))
    order = ", ".join(key)
    marks = ", ".join(f":after_{column}" for column in key)
    places, after = [columns.index(column) for column in key], ""
    values: dict[str, Any] = {}
    while True:
        statement = f"SELECT {', '.join(columns)} FROM {table} {after} ORDER BY {order} LIMIT {PAGE_ROWS}"
        page = await tx.all(statement, **values)
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
        after = f"WHERE ({order}) > ({marks})"
        values = {f"after_{column}": page[-1][place] for column, place in zip(key, places, strict=True)}


def _write_lines(file: gzip.GzipFile, lines: Sequence[Any]) -> None:
    file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _decrypt(db: Database, start: TableStart, rows: Sequence[Row]) -> Sequence[Row]:
    places = {place for place, column in enumerate(start.columns) if (start.table, column) in SECRET_COLUMNS}
    if not places:
        return rows
    return [
        tuple(db.secrets.decrypt(value) if place in places else value for place, value in enumerate(row))
        for row in rows
    ]


class StateReader:
    """Reads a file from its beginning to its end. Raises Invalid with what is wrong, and on which line."""

    def __init__(self, source: IO[bytes]) -> None:
        self._file = gzip.GzipFile(fileobj=source, mode="rb")
        self._line = 0

    def read_header(self, newest_schema: int) -> Header:
        """Read the first line, and check that this program can load the file."""
        try:
            header = msgspec.json.decode(self._read_line(), type=Header)
        except (Invalid, msgspec.MsgspecError) as error:
            raise Invalid("This is no file with the state of a cloud, as `pileus state save` writes it") from error
        if header.format != FORMAT:
            raise Invalid("This is no file with the state of a cloud, as `pileus state save` writes it")
        if header.version > FORMAT_VERSION or header.schema > newest_schema:
            raise Invalid(
                f"A newer version of Pileus has written the file (format {header.version}, schema {header.schema}; "
                f"this server knows {FORMAT_VERSION} and {newest_schema}): upgrade this server"
            )
        return header

    def read_pages(self) -> Iterator[tuple[TableStart, list[list[Any]]]]:
        """Yield each table, first without rows and then with pages of them, to the end of the file."""
        table, page, count = None, [], 0
        while True:
            line = self._read_line()
            if line.startswith(b"["):
                page.append(self._decode(line, list[Any]))
                count += 1
                if len(page) < PAGE_ROWS:
                    continue
            if table is not None and page:
                yield table, page
            page = []
            if line.startswith(b'{"table":'):
                table = self._decode(line, TableStart)
                yield table, page
            elif not line.startswith(b"["):
                self._check_end(self._decode(line, End), count)
                return

    def describe_line(self, problem: object) -> Invalid:
        """Return the error for the current line."""
        return Invalid(f"The file cannot be loaded: line {self._line}: {problem}")

    def _check_end(self, end: End, count: int) -> None:
        if end.rows != count:
            raise self.describe_line(f"the file should have {end.rows} rows, and has {count}")
        try:
            rest = self._file.read(1)
        except (OSError, EOFError, zlib.error) as error:
            raise self.describe_line("the file is damaged or has been cut off") from error
        if rest:
            raise self.describe_line("the file goes on after its end")

    def _decode(self, line: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError as error:
            raise self.describe_line(error) from error

    def _read_line(self) -> bytes:
        self._line += 1
        try:
            line = self._file.readline(LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise self.describe_line("the file is damaged or has been cut off") from error
        if not line.endswith(b"\n"):
            raise self.describe_line("the file has been cut off")
        return line
