"""Watches the transactions of a SQLite database: which tables each of them reads and writes.

Both databases execute the same statements.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import pytest
from litestar.types import ASGIApp, Receive, Send

from pileus.api.cell_routes import ID_PARAMETERS, find_cells
from pileus.domain.cells import TENANTS_CELL, Cells
from pileus.domain.errors import NotOffered
from pileus.store.database import VERSIONS, Database, Tx, Work
from pileus.store.schema import load_migrations
from pileus.store.sqlite import Sqlite
from pileus.store.sqlite_transactions import DirectTx
from pileus.store.tables import STORED_TABLES, TableScope

SCOPES = {table.name: table.scope for table in STORED_TABLES}
WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
PARAMETER = re.compile(r"(?<!:):(\w+)")
LOCK_OF_TENANT = "UPDATE clients SET name = name WHERE id = :id"
"""Changes nothing: in the database of a region it locks the copy of the tenant."""
ALLOWED = {
    frozenset({"api_keys", "clients", "projects", "users"}): "the first start of a cloud",
    frozenset({"projects", "ssh_keys"}): "the deletion of a project, in the database that has both",
    frozenset({"projects"}): "a deletion of a project that has failed",
    frozenset({"ssh_keys"}): "the end of a task that no server can perform, such as the deletion of a project",
    frozenset({"api_keys", "clients", "login_sessions", "projects", "ssh_keys", "users"}): "the deletion of a tenant, "
    "which a cloud of several cells does not offer",
    frozenset({"quota_thresholds"}): "the notification about a quota, which each database saves for its regions",
}
"""The transactions that touch tables of tenants and of regions at once, by the tables of tenants."""
OTHER_CELL = Cells(own=1, addresses={0: "", 1: ""}, region_cells={})
"""A cell with all regions besides that of the tenants."""
WHOLE_DATABASE = ("/_pileus/reset", "/_pileus/state")
"""What replaces the content of one database, and is refused where there are several."""
REQUEST: ContextVar[Any] = ContextVar("request", default=None)
STATEMENTS: ContextVar[set[str] | None] = ContextVar("statements", default=None)
UNWATCHED: ContextVar[bool] = ContextVar("unwatched", default=False)


class TouchedTables(NamedTuple):
    """What a transaction reads or writes of tenants alone or writes of what is copied, and its tables of regions."""

    of_tenants: frozenset[str]
    of_regions: frozenset[str]


@dataclass(slots=True)
class WatchedTransactions:
    """The statements of each transaction that has ended, equal ones once, and which requests change copied tables."""

    transactions: set[frozenset[str]] = field(default_factory=set)
    changing_copied: set[str] = field(default_factory=set)

    def add(self, statements: frozenset[str]) -> None:
        """Note a transaction, with the request that it is part of."""
        self.transactions.add(statements)
        if (scope := REQUEST.get()) and find_changed_copies(statements) and not _is_of_tenants_cell(scope):
            self.changing_copied.add(f"{scope['method']} {scope['path']}")

    def list_mixed(self) -> set[TouchedTables]:
        """Return what each transaction touches that may not touch tables of tenants and of regions at once."""
        touched = {find_touched_tables(statements) for statements in self.transactions}
        return {tables for tables in touched if all(tables) and tables.of_tenants not in ALLOWED}


@contextmanager
def watch_transactions(db: Database) -> Iterator[WatchedTransactions]:
    """Watch the writes of a SQLite database; the list of another one stays empty."""
    watched = WatchedTransactions()
    if not isinstance(db, Sqlite):
        yield watched
        return
    write, execute = db.write, DirectTx._execute  # noqa: SLF001  # all statements pass it

    async def write_and_watch(work: Work[Any]) -> Any:
        if UNWATCHED.get():
            return await write(work)
        statements: set[str] = set()

        async def run(tx: Tx) -> Any:
            STATEMENTS.set(statements)
            try:
                return await work(tx)
            finally:
                STATEMENTS.set(None)

        try:
            return await write(run)
        finally:
            watched.add(frozenset(statements))

    def execute_and_watch(tx: DirectTx, sql: str, values: dict[str, Any]) -> sqlite3.Cursor:
        if (statements := STATEMENTS.get()) is not None:
            statements.add(sql)
        return execute(tx, sql, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "write", write_and_watch)
        patch.setattr(DirectTx, "_execute", execute_and_watch)
        yield watched


@contextmanager
def leave_unwatched() -> Iterator[None]:
    """Leave the transactions of a test itself unwatched."""
    token = UNWATCHED.set(True)
    try:
        yield
    finally:
        UNWATCHED.reset(token)


def note_requests(app: ASGIApp) -> ASGIApp:
    """Wrap an application, so that transactions know the request that they are part of."""

    async def handle(scope: Any, receive: Receive, send: Send) -> None:
        token = REQUEST.set(scope)
        try:
            await app(scope, receive, send)
        finally:
            REQUEST.reset(token)  # The test, which shares this context, writes for itself again.

    return handle


def _is_of_tenants_cell(scope: Any) -> bool:
    """Return whether cell 0 answers a request, or a cloud of several cells refuses it."""
    path, params = scope["path"].rstrip("/"), scope.get("path_params", {})
    if path.startswith(WHOLE_DATABASE):
        return True
    try:
        return TENANTS_CELL in find_cells(OTHER_CELL, scope["method"], path, params) and not params.keys() & {
            *ID_PARAMETERS
        }
    except NotOffered:
        return True


def find_changed_copies(statements: frozenset[str]) -> set[str]:
    """Return the copied tables that a transaction writes, besides the notification about a quota."""
    accesses = frozenset[tuple[str, bool]]().union(*map(_list_accesses, statements))
    written = {table for table, is_write in accesses if is_write}
    copied = {table for table in written if SCOPES.get(table) is TableScope.COPIED}
    return set() if copied == {"quota_thresholds"} and written - copied else copied


def find_touched_tables(statements: frozenset[str]) -> TouchedTables:
    """Return the tables of a transaction that count."""
    accesses = frozenset[tuple[str, bool]]().union(*map(_list_accesses, statements))
    scopes = {(SCOPES.get(table), is_write, table) for table, is_write in accesses}
    of_tenants = {
        table
        for scope, is_write, table in scopes
        if scope is TableScope.GLOBAL or (scope is TableScope.COPIED and is_write)
    }
    return TouchedTables(
        frozenset(of_tenants), frozenset(table for scope, _, table in scopes if scope is TableScope.REGIONAL)
    )


@cache
def _list_accesses(statement: str) -> frozenset[tuple[str, bool]]:
    """Return the tables of a statement, each with whether it is written. SQLite tells them while it prepares it."""
    if statement == LOCK_OF_TENANT:
        return frozenset()
    accesses: set[tuple[str, bool]] = set()

    def note(action: int, table: str | None, *_: str | None) -> int:
        if table and action in (*WRITES, sqlite3.SQLITE_READ):
            accesses.add((table, action in WRITES))
        return sqlite3.SQLITE_OK

    connection = _empty_database()
    connection.set_authorizer(note)
    connection.execute(f"EXPLAIN {statement}", dict.fromkeys(PARAMETER.findall(statement), 0))
    connection.set_authorizer(None)
    return frozenset(accesses)


@cache
def _empty_database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(VERSIONS)
    for _, _, work in load_migrations():
        if isinstance(work, str):
            connection.executescript(work)
        elif work.__name__ == "add_instance_stamps":
            connection.execute("ALTER TABLE instances ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0")
    return connection
