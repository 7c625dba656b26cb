"""PostgreSQL: a pool of connections. Conflicts are detected by revisions and unique keys, not by waiting for locks."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import AsyncConnection, AsyncCursor, DataError, OperationalError, errors
from psycopg_pool import AsyncConnectionPool

from pileus.domain.errors import Invalid, Stale
from pileus.store.database import (
    ATTEMPTS,
    NEWEST,
    OUT_OF_RANGE,
    TOO_MANY,
    VERSIONS,
    DatabaseUnreachable,
    Migration,
    OnCommit,
    Row,
    T,
    Tx,
    Work,
    pending_migrations,
)

PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
FUNCTIONS = {"json_group_array(": "json_agg(", "json_array(": "json_build_array(", "COLLATE BINARY": 'COLLATE "C"'}
OUT_OF_RANGE_ERRORS = (DataError, UnicodeEncodeError)
CONNECT_TIMEOUT = 5
"""Seconds to wait for the first connection."""
MIGRATION_LOCK = 7_045_128_306
RETRY_LOCK = 7_045_128_307
"""Retried writes take this lock, so that they conflict with new writes only, not with each other."""
CONFLICTS = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)
RETRYABLE = (Stale, *CONFLICTS, errors.ForeignKeyViolation)
"""Errors after which a retried write may succeed: another took the name, or a referenced record was deleted."""


@lru_cache(maxsize=4096)
def translate_sql_to_psycopg(sql: str) -> LiteralString:
    """Translate `:name` parameters and SQLite's function names to psycopg's and PostgreSQL's."""
    for sqlite_name, name in FUNCTIONS.items():
        sql = sql.replace(sqlite_name, name)
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


class _Statements:
    """Statements on one connection."""

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection

    async def _execute(self, sql: str, values: dict[str, Any]) -> AsyncCursor[Row]:
        try:
            return await self._connection.execute(translate_sql_to_psycopg(sql), values)
        except OUT_OF_RANGE_ERRORS as error:
            raise Invalid(OUT_OF_RANGE) from error

    async def run(self, sql: str, **values: Any) -> int:
        return (await self._execute(sql, values)).rowcount

    async def one(self, sql: str, **values: Any) -> Row | None:
        return await (await self._execute(sql, values)).fetchone()

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return await (await self._execute(sql, values)).fetchall()


class Postgres:
    """A database on a PostgreSQL server; opens its pool at the first use."""

    def __init__(self, url: str, on_commit: OnCommit | None = None, connections: int = 16) -> None:
        self._url = url
        self._on_commit = on_commit
        self._pool = AsyncConnectionPool(url, min_size=1, max_size=connections, open=False, kwargs={"autocommit": True})
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        if self._pool.closed:
            async with self._opening:
                await self._pool.open()
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[Tx]:
        async with self._connection() as connection:
            yield _Statements(connection)

    @asynccontextmanager
    async def _scan(self) -> AsyncIterator[Tx]:
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield _Statements(connection)

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records."""
        return self._read()

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Read lists from one snapshot."""
        return self._scan()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; retry it after a conflict."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(work, retry=attempt > 1)
            except RETRYABLE as error:
                if attempt == ATTEMPTS and isinstance(error, CONFLICTS):
                    raise Stale(TOO_MANY) from error
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError

    async def _attempt(self, work: Work[T], *, retry: bool) -> T:
        started = time.perf_counter()
        async with self._connection() as connection, connection.transaction():
            if retry:
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (RETRY_LOCK,))
            result = await work(_Statements(connection))
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
        """Apply pending migrations under an advisory lock; raises DatabaseUnreachable."""
        connection = await self._connect_once()
        async with connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            await connection.execute(VERSIONS)
            row = await (await connection.execute(NEWEST)).fetchone()
            for number, name, work in pending_migrations(migrations, row[0] if row else 0):
                if isinstance(work, str):
                    await connection.execute(work)
                else:
                    await work(_Statements(connection))
                await connection.execute("INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (number, name))

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()
