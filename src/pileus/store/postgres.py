"""PostgreSQL: a pool of connections; rivals are found by revisions and unique keys, never by waiting locks."""

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
    BEYOND,
    NEWEST,
    TOO_MANY,
    VERSIONS,
    Migration,
    OnCommit,
    Row,
    T,
    Tx,
    Unreachable,
    Work,
    pending_migrations,
)

PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
FUNCTIONS = {"json_group_array(": "json_agg(", "json_array(": "json_build_array(", "COLLATE BINARY": 'COLLATE "C"'}
UNKEEPABLE = (DataError, UnicodeEncodeError)
PATIENCE = 5
"""Seconds to wait for the first connection."""
MIGRATION_LOCK = 7_045_128_306
LOSERS_LOCK = 7_045_128_307
"""Writes that have lost a race stand in line behind it: they need not fear each other, only newcomers."""
RACES = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)
LOST = (Stale, *RACES, errors.ForeignKeyViolation)
"""What may end well if the write decides again: a rival took the name, or what the record stands on has gone."""


@lru_cache(maxsize=4096)
def to_psycopg(sql: str) -> LiteralString:
    """Rewrite `:name` parameters in psycopg's spelling, and what has another name here."""
    for name, here in FUNCTIONS.items():
        sql = sql.replace(name, here)
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


class _Connected:
    """Statements on one connection."""

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection

    async def _execute(self, sql: str, values: dict[str, Any]) -> AsyncCursor[Row]:
        try:
            return await self._connection.execute(to_psycopg(sql), values)
        except UNKEEPABLE as error:
            raise Invalid(BEYOND) from error

    async def run(self, sql: str, **values: Any) -> int:
        return (await self._execute(sql, values)).rowcount

    async def one(self, sql: str, **values: Any) -> Row | None:
        return await (await self._execute(sql, values)).fetchone()

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return await (await self._execute(sql, values)).fetchall()


class Postgres:
    """The Database on a PostgreSQL server; opens its pool at the first use."""

    def __init__(self, url: str, committed: OnCommit | None = None, connections: int = 16) -> None:
        self._url = url
        self._committed = committed
        self._pool = AsyncConnectionPool(url, min_size=1, max_size=connections, open=False, kwargs={"autocommit": True})
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection[Row]]:
        if self._pool.closed:
            async with self._opening:
                await self._pool.open()
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Tx]:
        async with self._connected() as connection:
            yield _Connected(connection)

    @asynccontextmanager
    async def _scanning(self) -> AsyncIterator[Tx]:
        async with self._connected() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield _Connected(connection)

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records."""
        return self._reading()

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Read lists from one moment's state."""
        return self._scanning()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; decide again when a rival was quicker."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(work, in_line=attempt > 1)
            except LOST as lost:
                if attempt == ATTEMPTS and isinstance(lost, RACES):
                    raise Stale(TOO_MANY) from lost
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError

    async def _attempt(self, work: Work[T], *, in_line: bool) -> T:
        began = time.perf_counter()
        async with self._connected() as connection, connection.transaction():
            if in_line:
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOSERS_LOCK,))
            result = await work(_Connected(connection))
        if self._committed:
            self._committed(1, time.perf_counter() - began)
        return result

    async def _reached(self) -> AsyncConnection[Row]:
        """A connection apart from the pool, which would keep trying where this says at once what is wrong."""
        try:
            return await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=PATIENCE)
        except OperationalError as error:
            raise Unreachable(f"The database cannot be reached: {str(error).splitlines()[0]}") from error

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply what is missing under an advisory lock; raises Unreachable."""
        connection = await self._reached()
        async with connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            await connection.execute(VERSIONS)
            row = await (await connection.execute(NEWEST)).fetchone()
            for number, name, sql in pending_migrations(migrations, row[0] if row else 0):
                await connection.execute(sql)
                await connection.execute("INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (number, name))

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()
