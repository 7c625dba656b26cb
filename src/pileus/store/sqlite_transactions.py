"""Connections to SQLite, and the transactions on them: on the thread of the event loop, or in other threads."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from pileus.domain.errors import Invalid, Unavailable
from pileus.store.count_changes import CountChanges
from pileus.store.database import OUT_OF_RANGE, Row, Stamped
from pileus.store.disk_failures import DISK_FAILURES
from pileus.store.secrets import SecretBox
from pileus.store.statement_parameters import number_parameters
from pileus.store.write_ahead_log import KEPT_SIZE

T = TypeVar("T")
OUT_OF_RANGE_ERRORS = (OverflowError, UnicodeEncodeError)
SWITCH_PAUSE = 0.002
"""Seconds until a new file is tried again that others switch to WAL."""
BUSY_TIMEOUT = 10_000
"""Milliseconds to wait for the transaction of another process."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file with the settings of every connection: WAL, each commit synced."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
    _switch_to_write_ahead_log(connection)
    for setting in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-16000",
                    "mmap_size=1073741824", f"journal_size_limit={KEPT_SIZE}"):  # fmt: skip
        connection.execute(f"PRAGMA {setting}")
    return connection


def _switch_to_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. SQLite does not wait when others switch a new file at the same time, so this does."""
    end = time.monotonic() + BUSY_TIMEOUT / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(SWITCH_PAUSE)
        else:
            return


class PartRefusedError(Exception):
    """A part of a transaction is not tried again, because it has failed."""


class DirectTx(Stamped):
    """Statements on the event loop's thread. With `refuses_parts`, all parts of the transaction fail at once."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        secrets: SecretBox,
        *,
        has_savepoint: bool = False,
        refuses_parts: bool = False,
    ) -> None:
        super().__init__()
        self._connection = connection
        self.secrets = secrets
        self.count_changes = CountChanges()
        self._has_savepoint, self._refuses_parts = has_savepoint, refuses_parts
        self.has_failed_part = False
        """Whether a part has failed that only the end of the whole transaction undoes."""

    def _execute(self, sql: str, values: dict[str, Any]) -> sqlite3.Cursor:
        statement, order = number_parameters(sql)
        try:
            return self._connection.execute(statement, order(values))
        except OUT_OF_RANGE_ERRORS as error:
            raise Invalid(OUT_OF_RANGE) from error
        except sqlite3.OperationalError as error:
            DISK_FAILURES.raise_problem(error)
            raise

    async def run(self, sql: str, **values: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        return self._execute(sql, values).rowcount

    async def send(self, sql: str, **values: Any) -> None:
        """Run a statement whose outcome does not matter."""
        self._execute(sql, values)

    async def lock(self, sql: str, **values: Any) -> None:
        """Do nothing: the only writer waits for nobody."""

    async def one(self, sql: str, **values: Any) -> Row | None:
        """Return the first row, or None."""
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Return all rows."""
        return self._execute(sql, values).fetchall()

    async def attempt(self, work: "Callable[[DirectTx], Awaitable[T]]") -> T:
        """Run work as a part of this transaction; an exception undoes only this part, with its counts.

        Without a savepoint, it undoes the transaction later: the caller then goes on in vain. Raises PartRefusedError.
        """
        if self._refuses_parts:
            raise PartRefusedError
        if self._has_savepoint:
            return await self._run_in_savepoint(work)
        is_whole = False
        try:
            result = await work(self)
            is_whole = True
        finally:
            self.has_failed_part = self.has_failed_part or not is_whole
        return result

    async def _run_in_savepoint(self, work: "Callable[[DirectTx], Awaitable[T]]") -> T:
        self._connection.execute("SAVEPOINT part")
        part, is_whole = DirectTx(self._connection, self.secrets, has_savepoint=True), False
        part.count_changes.restore(self.count_changes.copy())
        try:
            result = await work(part)
            self.count_changes, self.saved_instances = part.count_changes, part.saved_instances
            is_whole = True
        finally:
            if not is_whole:
                self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
        return result


class ThreadedTx(Stamped):
    """Statements in a thread, for slow reads."""

    def __init__(self, connection: sqlite3.Connection, secrets: SecretBox, threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self.connection = connection
        self.secrets = secrets
        self.count_changes = CountChanges()
        self._scan_threads = threads

    async def _do(self, sql: str, values: dict[str, Any]) -> list[Row]:
        loop = asyncio.get_running_loop()
        statement, order = number_parameters(sql)
        try:
            return await loop.run_in_executor(
                self._scan_threads, lambda: self.connection.execute(statement, order(values)).fetchall()
            )
        except OUT_OF_RANGE_ERRORS as error:
            raise Invalid(OUT_OF_RANGE) from error
        except sqlite3.OperationalError as error:
            DISK_FAILURES.raise_problem(error)
            raise
        except RuntimeError as error:
            # The server stops while a list is being read.
            raise Unavailable("The database is closed") from error

    async def run(self, sql: str, **values: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        return len(await self._do(sql, values))

    async def send(self, sql: str, **values: Any) -> None:
        """Run a statement whose outcome does not matter."""
        await self._do(sql, values)

    async def lock(self, sql: str, **values: Any) -> None:
        """Do nothing: nobody writes in threads."""

    async def one(self, sql: str, **values: Any) -> Row | None:
        """Return the first row, or None."""
        rows = await self._do(sql, values)
        return rows[0] if rows else None

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Return all rows."""
        return await self._do(sql, values)
