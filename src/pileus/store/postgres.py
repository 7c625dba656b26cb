"""PostgreSQL: transactions that run again after a conflict or a lost connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from psycopg import AsyncConnection, AsyncRawCursor, OperationalError, errors

from pileus.domain.errors import Stale, Unavailable
from pileus.store.count_changes import CountChanges
from pileus.store.database import (
    ATTEMPTS,
    TOO_MANY,
    VERSIONS,
    ContentRejected,
    DatabaseInUse,
    DatabaseNotEmpty,
    DatabaseUnreachable,
    Migration,
    NewContent,
    OnCommit,
    Row,
    Stamped,
    T,
    Tx,
    Work,
)
from pileus.store.postgres_connections import (
    BUSY,
    CONFLICTS,
    ConnectionLostError,
    PooledConnection,
    PostgresConnections,
)
from pileus.store.postgres_dialect import translate_sql_to_postgres
from pileus.store.postgres_lookups import Lookups
from pileus.store.postgres_migrations import Migrator, read_number
from pileus.store.postgres_pipeline import Answer
from pileus.store.secrets import SecretBox
from pileus.store.table_counts import write_count_changes
from pileus.store.tables import CLOUD_TABLES
from pileus.store.tenant_slots import TenantSlots

CONNECT_TIMEOUT = 5
"""Seconds to wait for the first connection."""
RETRY_LOCK = 7_045_128_307
"""Writes that are retried after a conflict take this lock: they conflict with new writes only, not with each other."""
RETRYABLE = (Stale, *CONFLICTS, errors.ForeignKeyViolation)
"""Errors after which a retried write may succeed: another took the name, or a referenced record was deleted."""
LOST_ATTEMPTS = 3
"""Connections that one statement or transaction may lose."""
LOST = "Connections to the database break: try again"
OTHER_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
LONGEST_WAIT_ALONE, PAUSE_ALONE = 10.0, 0.02
"""Seconds in which locks of all tables are tried, and between two tries."""
LOCK_TABLES = (
    "SET LOCAL lock_timeout = '200ms'",
    f"LOCK TABLE {', '.join(table.name for table in CLOUD_TABLES)} IN ACCESS EXCLUSIVE MODE",
    "SET LOCAL lock_timeout = DEFAULT",
)
COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    " ORDER BY table_name, ordinal_position"
)
BEGIN_SCAN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


Execute = Callable[[str, dict[str, Any]], Awaitable[Answer]]
Send = Callable[[str, dict[str, Any]], Awaitable[object]]


class _Statements(Stamped):
    """Statements on one connection."""

    def __init__(self, execute: Execute, send: Send, secrets: SecretBox) -> None:
        super().__init__()
        self._execute = execute
        self._send = send
        self.secrets = secrets
        self.count_changes = CountChanges()

    async def run(self, sql: str, **values: Any) -> int:
        return (await self._execute(sql, values)).rowcount

    async def send(self, sql: str, **values: Any) -> None:
        await self._send(sql, values)

    async def lock(self, sql: str, **values: Any) -> None:
        await self._send(sql, values)

    async def one(self, sql: str, **values: Any) -> Row | None:
        rows = (await self._execute(sql, values)).rows
        return rows[0] if rows else None

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return (await self._execute(sql, values)).rows


class _Lookups(_Statements):
    """Statements that need no common transaction, so each can be repeated on another connection."""

    def __init__(self, lookups: Lookups, secrets: SecretBox) -> None:
        super().__init__(self._execute_repeatedly, self._execute_repeatedly, secrets)
        self._lookups = lookups

    async def __aenter__(self) -> Tx:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def _execute_repeatedly(self, sql: str, values: dict[str, Any]) -> Answer:
        for _ in range(LOST_ATTEMPTS):
            try:
                return await self._lookups.execute(sql, values)
            except ConnectionLostError:
                continue
        raise Unavailable(LOST)


class _Scan(_Statements):
    """Statements on one snapshot; the first one, with which the snapshot begins, can be repeated."""

    def __init__(self, connections: PostgresConnections, secrets: SecretBox) -> None:
        super().__init__(self._execute_in_snapshot, self._execute_in_snapshot, secrets)
        self._connections = connections
        self._pooled: PooledConnection | None = None

    async def _execute_in_snapshot(self, sql: str, values: dict[str, Any]) -> Answer:
        if self._pooled is None:
            return await self._begin(sql, values)
        try:
            return await self._pooled.execute(sql, values)
        except ConnectionLostError as error:
            raise Unavailable(LOST) from error

    async def _begin(self, sql: str, values: dict[str, Any]) -> Answer:
        for _ in range(LOST_ATTEMPTS):
            self._pooled = await self._connections.acquire()
            self._pooled.send(BEGIN_SCAN)
            try:
                return await self._pooled.execute(sql, values)
            except ConnectionLostError:
                await self.end()
        raise Unavailable(LOST)

    async def end(self) -> None:
        """End the snapshot and give the connection back."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            try:
                await pooled.rollback()
            finally:
                self._connections.release(pooled)


class Postgres:
    """A database on a PostgreSQL server; opens its connections at the first use."""

    def __init__(self, url: str, secrets: SecretBox, on_commit: OnCommit | None = None, connections: int = 15) -> None:
        self._url = url
        self.secrets = secrets
        self._on_commit = on_commit
        self._connections = PostgresConnections(url, connections)
        self._lookups = Lookups(self._connections)
        self._scan_slots = TenantSlots(max(1, connections // 2))
        self._migrator = Migrator(self._connect_once, self._statements_on)

    @property
    def columns_statement(self) -> str:
        """The statement that selects the names of tables and columns."""
        return COLUMNS

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records. Raises Unavailable, as all methods do."""
        return _Lookups(self._lookups, self.secrets)

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[Tx]:
        """Read lists from one snapshot."""
        async with self._scan_slots.occupy():
            scan = _Scan(self._connections, self.secrets)
            try:
                yield scan
            finally:
                await scan.end()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction, and again after a conflict, or after a connection is lost before its COMMIT."""
        return await self._write(work)

    async def write_alone(self, work: Work[T]) -> T:
        """Run `work` with a lock of all tables.

        The locks are waited for so briefly that no transaction is given up as a deadlock with this one.
        """
        end = time.monotonic() + LONGEST_WAIT_ALONE
        while True:
            try:
                return await self._write(work, LOCK_TABLES)
            except Unavailable as problem:
                # A lock that is not available, or what the pipeline reports in its place: nothing was committed.
                if str(problem) != BUSY or time.monotonic() > end:
                    raise
                await asyncio.sleep(PAUSE_ALONE)

    async def _write(self, work: Work[T], first_statements: Sequence[str] = ()) -> T:
        conflicts = lost = 0
        while True:
            try:
                return await self._attempt(work, first_statements, retry=conflicts > 0)
            except RETRYABLE as error:
                conflicts += 1
                if conflicts == ATTEMPTS and isinstance(error, CONFLICTS):
                    raise Stale(TOO_MANY) from error
                if conflicts == ATTEMPTS:
                    raise
            except ConnectionLostError as error:
                lost += 1
                if lost == LOST_ATTEMPTS:
                    raise Unavailable(LOST) from error

    async def _attempt(self, work: Work[T], first_statements: Sequence[str], *, retry: bool) -> T:
        """Run `work` in a transaction. BEGIN goes with its first statement, COMMIT with its last ones."""
        started = time.perf_counter()
        pooled = await self._connections.acquire()
        try:
            pooled.send("BEGIN")
            for statement in first_statements:
                pooled.send(statement)
            if retry:
                pooled.send("SELECT pg_advisory_xact_lock(:lock)", {"lock": RETRY_LOCK})
            tx = _Statements(pooled.execute, pooled.send_later, self.secrets)
            result = await work(tx)
            await write_count_changes(tx)
            await pooled.commit()
        finally:
            try:
                await pooled.rollback()
            finally:
                self._connections.release(pooled)
        if self._on_commit:
            self._on_commit(1, time.perf_counter() - started)
        return result

    async def _connect_once(self) -> AsyncConnection[Row]:
        """Connect without the pool, which would retry instead of reporting the error."""
        try:
            return await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT)
        except OperationalError as error:
            raise DatabaseUnreachable(f"The database cannot be reached: {str(error).splitlines()[0]}") from error

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply pending migrations while servers use the database; raises DatabaseUnreachable or DatabaseInUse."""
        await self._migrator.migrate(migrations)

    async def replace_content(self, content: NewContent) -> None:
        """Replace all content in one transaction, on the only connection to the database."""
        async with self._migrator.lock_schema() as (connection, newest), connection.transaction():
            if count := await read_number(connection, OTHER_CONNECTIONS):
                raise DatabaseInUse(f"The database has {count} other connections: stop all servers that use it")
            if newest and not content.is_overwriting:
                raise DatabaseNotEmpty
            for table in content.dropped:
                await connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
            await connection.execute(VERSIONS)
            await self._migrator.apply(connection, content.migrations)
            try:
                await content.fill(self._statements_on(connection))
            except errors.IntegrityError as error:
                raise ContentRejected(str(error).splitlines()[0]) from error

    def _statements_on(self, connection: AsyncConnection[Row]) -> Tx:
        execute = partial(_execute_on, connection)
        return _Statements(execute, execute, self.secrets)

    async def erase_deleted_content(self) -> None:
        """Do nothing: PostgreSQL reuses the space over time, and its archives and replicas keep what they have."""

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.close()


async def _execute_on(connection: AsyncConnection[Row], sql: str, values: dict[str, Any]) -> Answer:
    statement, names = translate_sql_to_postgres(sql)
    cursor = AsyncRawCursor[Row](connection)
    await cursor.execute(statement, [values[name] for name in names])
    return Answer(cursor.rowcount, await cursor.fetchall() if cursor.description else [])
