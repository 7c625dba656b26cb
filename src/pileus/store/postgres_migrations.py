"""Migrate a PostgreSQL database while servers of the previous version use it.

Each migration is a transaction of its own, so that its locks are short. It does not wait long for a lock, because all
statements behind it would wait as well: it is tried again instead. Indexes are created while servers write.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import LiteralString

from psycopg import AsyncConnection, errors

from pileus.store.database import NEWEST, OLDEST_SERVER, VERSIONS, DatabaseInUse, Migration, Row, Tx
from pileus.store.schema_compatibility import (
    INDEX,
    find_oldest_server,
    has_compatibility,
    is_of_indexes,
    pending_migrations,
    split_statements,
)

LOCK = 7_045_128_306
PAUSE, LOCK_TIMEOUT = 0.1, "SET LOCAL lock_timeout = '2s'"
"""Seconds between two tries to get a lock, and the longest wait of a migration for the lock of a table."""
LOCK_ATTEMPTS = 30
"""Tries of a migration to get the locks of its tables."""


class Migrator:
    """Applies migrations; `statements_on` makes a transaction of the program from a connection in one."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AsyncConnection[Row]]],
        statements_on: Callable[[AsyncConnection[Row]], Tx],
    ) -> None:
        self._connect = connect
        self._statements_on = statements_on

    @asynccontextmanager
    async def lock_schema(self) -> AsyncIterator[tuple[AsyncConnection[Row], int]]:
        """Open a connection while nobody else migrates; yield it and the version of the schema.

        Who waits for the lock has no snapshot, for whose end the creation of an index would wait.
        """
        connection = await self._connect()
        async with connection:
            while not await read_number(connection, "SELECT pg_try_advisory_lock(%s)::int", LOCK):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(PAUSE)
            await connection.execute(VERSIONS)
            yield connection, await read_number(connection, NEWEST)

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply pending migrations; a database that is new gets all at once. Raises DatabaseNewerThanProgram."""
        async with self.lock_schema() as (connection, newest):
            known = migrations[-1][0]
            oldest = await read_number(connection, OLDEST_SERVER) if newest > known else None
            pending = pending_migrations(migrations, newest, oldest)
            if not newest:
                async with connection.transaction():
                    await self.apply(connection, pending)
                return
            for migration in pending:
                await self._apply_online(connection, migration, migrations)

    async def apply(self, connection: AsyncConnection[Row], migrations: Sequence[Migration]) -> None:
        """Apply all migrations of a new database in the transaction of a connection."""
        for migration in migrations:
            await self._apply(connection, migration, migrations)

    async def _apply(
        self, connection: AsyncConnection[Row], migration: Migration, migrations: Sequence[Migration]
    ) -> None:
        work = migration[2]
        if isinstance(work, str):
            await connection.execute(work.encode())
        else:
            await work(self._statements_on(connection))
        await _save_version(connection, migration, migrations)

    async def _apply_online(
        self, connection: AsyncConnection[Row], migration: Migration, migrations: Sequence[Migration]
    ) -> None:
        if is_of_indexes(migration):
            await _create_indexes(connection, str(migration[2]))
            async with connection.transaction():
                await _save_version(connection, migration, migrations)
            return
        for _ in range(LOCK_ATTEMPTS):
            try:
                async with connection.transaction():
                    await connection.execute(LOCK_TIMEOUT)
                    await self._apply(connection, migration, migrations)
            except errors.LockNotAvailable:
                await asyncio.sleep(PAUSE)
            else:
                return
        raise DatabaseInUse(
            f"The migration {migration[0]} cannot lock its tables: long transactions use them. Try again later, or stop"
            " all servers that use the database"
        )


async def _create_indexes(connection: AsyncConnection[Row], script: str) -> None:
    """Create indexes while servers write. What an interrupted attempt has left is removed first."""
    for statement in split_statements(script):
        if match := INDEX.match(statement):
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {match[1]}".encode())
            await connection.execute(statement.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1).encode())


async def _save_version(
    connection: AsyncConnection[Row], migration: Migration, migrations: Sequence[Migration]
) -> None:
    number, name, _ = migration
    await connection.execute("INSERT INTO schema_versions (version, name) VALUES (%s, %s)", (number, name))
    if has_compatibility(migrations, migration):
        values = (find_oldest_server(migration), number)
        await connection.execute("UPDATE schema_versions SET oldest_server = %s WHERE version = %s", values)


async def read_number(connection: AsyncConnection[Row], statement: LiteralString, *values: object) -> int:
    """Return the number that a statement selects."""
    row = await (await connection.execute(statement, values or None)).fetchone()
    return int(row[0]) if row else 0
