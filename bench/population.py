"""Fill a cloud with copies of one instance that was created through the API, with its machine.

A copy has rows in the same tables of both databases as the first instance has, with ids, names and addresses of its
own. So nothing here knows the columns of a table.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from bench.servers import HEADERS, INSTANCES, Server, free_port, run_pileus
from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.account.quotas import GLOBAL_QUOTAS
from pileus.domain.catalogue import derive_public_image_id
from pileus.store.count_checks import correct_counts, find_wrong_counts
from pileus.store.schema import open_database

TAGS = ("env", "team", "app", "tier", "serial")
TEMPLATE_NAME, TEMPLATE_TAG = "name-of-the-template", "tag-of-the-template-"
UNLIMITED = [(name, 2_000_000_000_000) for name in sorted(QUOTAS - GLOBAL_QUOTAS)]
"""Quotas that no benchmark reaches."""
FIRST_NUMBER = 100_000_000_000
"""Twelve digits, so that an id is text in front of a number."""
ID_PREFIX = "00000000-0000-4000-800"
HISTORY = ("tasks", "user_actions", "usage_records")
"""Tables that tell how the first instance came to be."""
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"


class Connection(Protocol):
    """What connections to SQLite and to PostgreSQL have in common."""

    def execute(self, query: Any, /) -> Any:
        """Execute a statement and return a cursor."""


def instance_id(number: int) -> str:
    """Return the id of the nth instance."""
    return f"{ID_PREFIX}0-{FIRST_NUMBER + number}"


def volume_id(number: int) -> str:
    """Return the id of the volume of the nth instance."""
    return f"{ID_PREFIX}1-{FIRST_NUMBER + number}"


def order_body(name: str = "more", tags: dict[str, str] | None = None, region_id: int = 1) -> str:
    """Return the body of a request that creates an instance."""
    image_id = derive_public_image_id(region_id, "ubuntu-22.04-x64")
    volume = {"source": "image", "image_id": image_id, "size": 10, "boot_index": 0}
    order = {"name": name, "flavor": "g1-standard-1-2", "interfaces": [{"type": "external"}], "volumes": [volume]}
    return json.dumps(order | ({"tags": tags} if tags else {}))


def populate(data: Path, count: int) -> Path:
    """Create a data directory with `count` instances, and the template."""
    with run_pileus(data, free_port()) as server:
        create_template(server)
    with _open_without_sync(data / "pileus.db") as db:
        fill(db, "SELECT name FROM sqlite_master WHERE type = 'table'", count)
        db.execute("PRAGMA optimize")
    asyncio.run(correct_counts_of("", data))
    return data


async def correct_counts_of(url: str, data: Path) -> None:
    """Correct the counts of records in a database, which only the store keeps."""
    db = await open_database(url, data)
    try:
        await correct_counts(db, await find_wrong_counts(db))
    finally:
        await db.close()


def create_template(server: Server) -> None:
    """Create the instance that is copied."""
    body = order_body(TEMPLATE_NAME, {key: f"{TEMPLATE_TAG}{key}" for key in TAGS})
    task = httpx.post(server.url + INSTANCES, headers=HEADERS, content=body).raise_for_status().json()["tasks"][0]
    state = ""
    while state != "FINISHED":
        state = httpx.get(f"{server.url}/cloud/v1/tasks/{task}", headers=HEADERS).raise_for_status().json()["state"]
        if state == "ERROR":
            raise SystemExit("The first instance could not be created")


def fill(db: Connection, tables: str, count: int) -> None:
    """Copy the template `count` times. `tables` is the query for the names of all tables."""
    # As many tags as clients usually set: those of the image are left out.
    db.execute("DELETE FROM tags WHERE read_only = 1")
    replacements = _replacements(db)
    for (table,) in db.execute(tables).fetchall():
        if table not in HISTORY:
            _copy_rows(db, table, replacements, count)
    for name, limit in UNLIMITED:
        db.execute(f"INSERT INTO quota_limits (client_id, region_id, name, value) VALUES (1, 1, '{name}', {limit})")  # noqa: S608  # names of the program


def _replacements(db: Connection) -> dict[str, str]:
    (instance,), (volume, attachment), (port, mac_address), (ip_address,) = (
        db.execute(query).fetchone()
        for query in (
            "SELECT id FROM instances",
            "SELECT volume_id, id FROM attachments",
            "SELECT id, mac_address FROM ports",
            "SELECT ip FROM addresses WHERE port_id IS NOT NULL",
        )
    )
    number = f"({FIRST_NUMBER} + n)"
    digits = f"CAST({number} AS TEXT)"
    ids = {record: f"'{ID_PREFIX}{at}-' || {number}" for at, record in enumerate((instance, volume, attachment, port))}
    # A hundred instances share a serial number, many more share other values.
    tags = {f"{TEMPLATE_TAG}{key}": f"'{key}-' || (n % {7 + len(key)})" for key in TAGS}
    return {
        **ids,
        **tags,
        f"{TEMPLATE_TAG}serial": "'serial-' || (n / 100)",
        TEMPLATE_NAME: "'web-' || n",
        mac_address: " || ':' || ".join(f"substr({digits}, {at}, 2)" for at in range(1, 12, 2)),
        ip_address: "'10.' || (n / 65536) || '.' || (n / 256 % 256) || '.' || (n % 256)",
    }


def _copy_rows(db: Connection, table: str, replacements: dict[str, str], count: int) -> None:
    cursor = db.execute(f"SELECT * FROM {table}")  # noqa: S608  # names of the schema
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        if any(template in str(value) for value in row for template in replacements):
            values = ", ".join(_copied_values(columns, row, replacements))
            numbers = NUMBERS.format(last=count - 1)
            db.execute(f"INSERT INTO {table} ({', '.join(columns)}) {numbers} SELECT {values} FROM numbers")  # noqa: S608  # alike


def _copied_values(columns: Sequence[str], row: Sequence[Any], replacements: dict[str, str]) -> Iterator[str]:
    """Yield the SQL of each column of a copy."""
    known = re.compile("|".join(f"({re.escape(text)})" for text in sorted(replacements, key=len, reverse=True)))
    for column, value in zip(columns, row, strict=True):
        if value is None:
            yield "NULL"
        elif isinstance(value, str):
            parts = [part for part in known.split(value) if part]
            yield " || ".join(replacements.get(part) or quoted(part) for part in parts) or "''"
        else:
            yield f"{value} + n" if column == "created_at" else str(value)


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _open_without_sync(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("PRAGMA synchronous=OFF")
        yield db
