"""SQLite: one writer that groups what is waiting into a commit, readers that never wait for it.

Statements of single records take microseconds, so they run on the event loop; what waits for the disk (commits, scans)
runs in threads. While a commit is on its way to the disk, further writes gather; they share the next one, each in a
savepoint of its own, and none is answered before its commit is durable.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from pileus.domain.errors import Invalid, Stale, Unavailable
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
    Work,
    pending_migrations,
)
from pileus.store.sync_thread import SyncThread

SCANNERS = 4
LARGEST_BATCH = 128
TAKEN = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
UNKEEPABLE = (OverflowError, UnicodeEncodeError)
PATIENCE = 10_000
"""Milliseconds to wait for another process's transaction."""
LOG = logging.getLogger(__name__)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file as every connection of the program does: WAL, each commit synced."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for setting in (f"busy_timeout={PATIENCE}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
                    "temp_store=MEMORY", "cache_size=-16000", "mmap_size=1073741824"):  # fmt: skip
        connection.execute(f"PRAGMA {setting}")
    return connection


class _Direct:
    """Statements on the event loop's own thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _execute(self, sql: str, values: dict[str, Any]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except UNKEEPABLE as error:
            raise Invalid(BEYOND) from error

    async def run(self, sql: str, **values: Any) -> int:
        return self._execute(sql, values).rowcount

    async def one(self, sql: str, **values: Any) -> Row | None:
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return self._execute(sql, values).fetchall()


class _Threaded:
    """Statements in a thread, for reads that take long."""

    def __init__(self, connection: sqlite3.Connection, threads: ThreadPoolExecutor) -> None:
        self.connection = connection
        self._threads = threads

    async def _do(self, sql: str, values: dict[str, Any]) -> list[Row]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: self.connection.execute(sql, values).fetchall())
        except UNKEEPABLE as error:
            raise Invalid(BEYOND) from error
        except RuntimeError as error:
            # A list that was still being read when the server had to stop.
            raise Unavailable("The database is closed") from error

    async def run(self, sql: str, **values: Any) -> int:
        return len(await self._do(sql, values))

    async def one(self, sql: str, **values: Any) -> Row | None:
        rows = await self._do(sql, values)
        return rows[0] if rows else None

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        return await self._do(sql, values)


class _Waiting:
    """A write in the queue, and later how it ended."""

    def __init__(self, work: Work[Any], answer: asyncio.Future[Any]) -> None:
        self.work = work
        self.answer = answer
        self.result: Any = None
        self.error: Exception | None = None

    def settle(self, failure: Exception | None) -> None:
        """Answer the writer, unless it has gone away."""
        if self.answer.done():
            return
        if error := self.error or failure:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self.result)


class Sqlite:
    """The Database on a file."""

    def __init__(self, path: Path, committed: OnCommit | None = None) -> None:
        self._path = path
        self._committed = committed
        self._writer = connect(path)
        self._looker = connect(path)
        self._reader = nullcontext(_Direct(self._looker))
        self._disk = SyncThread("sqlite-commit")
        self._threads = ThreadPoolExecutor(SCANNERS, "sqlite-scan")
        self._scanners = [_Threaded(connect(path), self._threads) for _ in range(SCANNERS)]
        self._scanner_free = asyncio.Semaphore(SCANNERS)
        self._queue: deque[_Waiting] = deque()
        self._queued = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records on the event loop."""
        return self._reader

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[Tx]:
        """Read lists in a thread, from one moment's state."""
        async with self._scanner_free:
            scanner = self._scanners.pop()
            try:
                scanner.connection.execute("BEGIN")
                yield scanner
            finally:
                scanner.connection.rollback()
                self._scanners.append(scanner)

    async def write(self, work: Work[T]) -> T:
        """Queue a write and wait for the commit that carries it; raises Unavailable once closed."""
        if self._closed:
            raise Unavailable("The database is closed")
        return await self._queued_up(work)

    async def _queued_up(self, work: Work[T]) -> T:
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_on(), name="sqlite-writer")
        waiting = _Waiting(work, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued.set()
        answer: T = await waiting.answer
        return answer

    async def _write_on(self) -> None:
        while True:
            await self._queued.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
            if not self._queue:
                self._queued.clear()
            failure = await self._carry_out(batch)
            for waiting in batch:
                waiting.settle(failure)

    async def _carry_out(self, batch: list[_Waiting]) -> Exception | None:
        """Do every write of a batch and commit them together; the failure that undid all of them, if one did."""
        began = time.perf_counter()
        try:
            await self._begin()
            tx = _Direct(self._writer)
            for waiting in batch:
                await self._attempt(tx, waiting)
            await self._disk.do(self._writer.execute, "COMMIT")
        except Exception as failure:  # whatever it was, each writer is told
            LOG.exception("A commit failed")
            with suppress(sqlite3.Error):
                self._writer.rollback()
            return failure
        if self._committed:
            self._committed(len(batch), time.perf_counter() - began)
        return None

    async def _begin(self) -> None:
        self._writer.execute("PRAGMA busy_timeout=0")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self._writer.execute(f"PRAGMA busy_timeout={PATIENCE}")
            await self._disk.do(self._writer.execute, "BEGIN IMMEDIATE")

    async def _attempt(self, tx: Tx, waiting: _Waiting) -> None:
        for attempt in range(ATTEMPTS):
            self._writer.execute("SAVEPOINT one")
            try:
                waiting.result, waiting.error = await waiting.work(tx), None
            except Exception as error:  # noqa: BLE001  # handed to the writer it belongs to
                self._writer.execute("ROLLBACK TO one")
                waiting.error = _translated(error)
            self._writer.execute("RELEASE one")
            if not isinstance(waiting.error, Stale) or attempt == ATTEMPTS - 1:
                return

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply what is missing, in one transaction that no other process can share."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._writer.execute(VERSIONS)
            (newest,) = self._writer.execute(NEWEST).fetchone()
            for number, name, sql in pending_migrations(migrations, newest):
                self._apply(number, name, sql)
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.rollback()
            raise

    def _apply(self, number: int, name: str, sql: str) -> None:
        for statement in sql.split(";\n"):
            self._writer.execute(statement)
        self._writer.execute("INSERT INTO schema_versions (version, name) VALUES (?, ?)", (number, name))

    async def close(self) -> None:
        """Finish what is queued, then close the file."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await self._queued_up(_nothing)
            self._writing.cancel()
        self._disk.shutdown()
        self._threads.shutdown()
        for connection in (self._looker, *(scanner.connection for scanner in self._scanners), self._writer):
            connection.close()


async def _nothing(_: Tx) -> None:
    """A write that waits for those before it."""


def _translated(error: Exception) -> Exception:
    """A key that is taken means that somebody was quicker: the write looks again and then says what is taken."""
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorname in TAKEN:
        stale = Stale(TOO_MANY)
        stale.__cause__ = error
        return stale
    return error
