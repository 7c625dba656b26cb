"""PostgreSQL: a pool of connections; rivals are found by revisions and unique keys, never by waiting locks."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import AsyncConnection, errors
from psycopg_pool import AsyncConnectionPool

from pileus.domain.errors import Stale
from pileus.store.database import (
    ATTEMPTS,
    NEWEST,
    TOO_MANY,
    VERSIONS,
    Committed,
    Migration,
    Row,
    T,
    Tx,
    Work,
    missing,
)

PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
MIGRATION_LOCK = 7_045_128_306
RACES = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)
LOST = (Stale, *RACES, errors.ForeignKeyViolation)
"""What may end well if the write decides again: a rival took the name, or what the record stands on has gone."""
PAUSE = 0.004
"""Seconds, the first time a race is lost; grows with each loss."""


@lru_cache(maxsize=4096)
def spelled(sql: str) -> LiteralString:
    """Rewrite `:name` parameters in psycopg's spelling."""
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


class _Connected:
    """Statements on one connection."""

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection

    async def run(self, sql: str, **values: Any) -> int:
        return (await self._connection.execute(spelled(sql), values)).rowcount

    async def one(self, sql: str, **values: Any) -> Row | None:
        return await (await self._connection.execute(spelled(sql), values)).fetchone()

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return await (await self._connection.execute(spelled(sql), values)).fetchall()


class Postgres:
    """The Database on a PostgreSQL server; opens its pool at the first use."""

    def __init__(self, url: str, committed: Committed | None = None, connections: int = 16) -> None:
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
        """Run `work` in a transaction; decide again, after a short pause, when a rival was quicker."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(work)
            except LOST as lost:
                if attempt == ATTEMPTS and isinstance(lost, RACES):
                    raise Stale(TOO_MANY) from lost
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE * attempt * random.random())  # noqa: S311  # a pause, not a secret
        raise AssertionError

    async def _attempt(self, work: Work[T]) -> T:
        began = time.perf_counter()
        async with self._connected() as connection, connection.transaction():
            result = await work(_Connected(connection))
        if self._committed:
            self._committed(1, time.perf_counter() - began)
        return result

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply what is missing under an advisory lock."""
        # Not from the pool, which keeps trying where a plain connection says at once what is wrong.
        connection = await AsyncConnection.connect(self._url, autocommit=True)
        async with connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            await connection.execute(VERSIONS)
            row = await (await connection.execute(NEWEST)).fetchone()
            for number, name, sql in missing(migrations, row[0] if row else 0):
                await connection.execute(sql)
                await connection.execute("INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (number, name))

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()
