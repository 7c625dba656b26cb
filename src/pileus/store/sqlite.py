"""SQLite: one writer that groups waiting writes into a commit, and readers that never wait for it.

Statements on single records take microseconds, so they run on the event loop. Commits and scans wait for the disk, so
they run in threads. Writes that arrive during a commit share the next one (`write_batches.py`); each returns after its
commit is durable.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from math import inf
from pathlib import Path

from pileus.domain.errors import Unavailable
from pileus.store.database import (
    NEWEST,
    OLDEST_SERVER,
    VERSIONS,
    ContentRejected,
    DatabaseNotEmpty,
    Migration,
    NewContent,
    OnCommit,
    T,
    Tx,
    Work,
)
from pileus.store.disk_failures import DISK_FAILURES
from pileus.store.open_transactions import JOINED
from pileus.store.schema_compatibility import find_oldest_server, has_compatibility, pending_migrations
from pileus.store.secrets import SecretBox
from pileus.store.serial_executor import SerialExecutor
from pileus.store.sqlite_transactions import BUSY_TIMEOUT, DirectTx, ThreadedTx, connect
from pileus.store.tenant_slots import TenantSlots
from pileus.store.write_ahead_log import WriteAheadLog, waiting_for_others
from pileus.store.write_batches import WRITER_ENDED, BatchRunner, QueuedWrite
from pileus.store.write_turns import WriteTurn

SCANNERS = 4
LARGEST_BATCH = 128
BATCH_SECONDS = 0.02
"""The time after which a batch takes no further write: the event loop does nothing else meanwhile."""
COLUMNS = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
)
LOG = logging.getLogger(__name__)


class Sqlite:
    """A database in a SQLite file."""

    def __init__(self, path: Path, secrets: SecretBox, on_commit: OnCommit | None = None) -> None:
        self._path = path
        self.secrets = secrets
        self._on_commit = on_commit
        self._serial_executor = SerialExecutor("sqlite-commit")
        self._turn = WriteTurn(path, self._serial_executor)
        self._writer = connect(path)
        self._writer.execute("PRAGMA busy_timeout=0")
        self._runner = BatchRunner(self._writer, secrets, self._begin_in_turn)
        self._write_ahead_log = WriteAheadLog(path, self._writer)
        self._read_connection = connect(path)
        self._reader = nullcontext(DirectTx(self._read_connection, secrets))
        self._scan_threads = ThreadPoolExecutor(SCANNERS, "sqlite-scan")
        self._scanners = [ThreadedTx(connect(path), secrets, self._scan_threads) for _ in range(SCANNERS)]
        self._scan_slots = TenantSlots(SCANNERS)
        self._queue: deque[QueuedWrite] = deque()
        self._queued = asyncio.Event()
        self._writer_task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def columns_statement(self) -> str:
        """The statement that selects the names of tables and columns."""
        return COLUMNS

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records on the event loop."""
        joined = JOINED.get()
        return self._reader if joined is None else nullcontext(joined.require_tx())

    @asynccontextmanager
    async def scan(self) -> AsyncIterator[Tx]:
        """Read lists in a thread, from one snapshot."""
        if (joined := JOINED.get()) is not None:
            yield joined.require_tx()
            return
        async with self._scan_slots.occupy():
            scanner = self._scanners.pop()
            try:
                scanner.connection.execute("BEGIN")
                yield scanner
            finally:
                scanner.connection.rollback()
                self._scanners.append(scanner)

    async def write(self, work: Work[T]) -> T:
        """Queue a write and wait for its commit; raises Unavailable if the database is closed.

        Work that has joined a transaction does not wait: see `open_transactions.py`.
        """
        if (joined := JOINED.get()) is not None:
            return await joined.write(work)
        if self._closed:
            raise Unavailable("The database is closed")
        return await self._enqueue(work)

    async def write_alone(self, work: Work[T]) -> T:
        """Queue a write: each is alone, because there is one writer, and readers have snapshots."""
        return await self.write(work)

    async def _enqueue(self, work: Work[T]) -> T:
        if self._writer_task is None:
            self._start_writer()
        write = QueuedWrite(work, asyncio.get_running_loop().create_future())
        self._queue.append(write)
        self._queued.set()
        result: T = await write.future
        return result

    def _start_writer(self) -> None:
        self._writer_task = asyncio.create_task(self._run_writer(), name="sqlite-writer")
        self._writer_task.add_done_callback(self._replace_writer)

    def _replace_writer(self, ended: asyncio.Task[None]) -> None:
        """Start the writer again, because other writes wait for it; after a cancellation the next write starts it."""
        if ended.cancelled():
            self._writer_task = None
        else:
            LOG.critical("The writer of the database has ended: it is started again", exc_info=ended.exception())
            self._start_writer()

    async def _run_writer(self) -> None:
        while True:
            await self._queued.wait()
            await self._write_batch()

    async def _write_batch(self) -> None:
        started, batch = time.perf_counter(), list[QueuedWrite]()
        error = await self._roll_back_on_error(self._begin())
        try:
            if error is None:
                error = await self._roll_back_on_error(self._commit_batch(batch, started))
            else:
                batch += self._take_queued()
        except BaseException:
            error = Unavailable(WRITER_ENDED)
            raise
        finally:
            for write in batch:
                write.settle(error)

    def _take_queued(self, seconds: float = inf) -> Iterator[QueuedWrite]:
        """Take writes from the queue: no more than a batch, and one at least although `seconds` have passed."""
        end = time.perf_counter() + seconds
        for number in range(LARGEST_BATCH):
            if not self._queue or (number and time.perf_counter() > end):
                break
            yield self._queue.popleft()
        if not self._queue:
            self._queued.clear()

    async def _roll_back_on_error(self, step: Awaitable[None]) -> Exception | None:
        """Await a step of a transaction; if it fails, roll back, give up the turn, and return the error."""
        try:
            await step
        except Exception as error:  # raised to the awaiter of each write
            problem = DISK_FAILURES.find_problem(error)
            if problem is None:
                LOG.exception("A commit failed")
            self._give_up_turn()
            return problem or error
        except BaseException:
            self._give_up_turn()
            raise
        return None

    def _give_up_turn(self) -> None:
        with suppress(sqlite3.Error):
            self._writer.rollback()
        self._turn.release()

    async def _commit_batch(self, batch: list[QueuedWrite], started: float) -> None:
        """Run queued writes, which become a batch, and commit them together.

        They are also those that were queued while other processes had their turn.
        """
        for write in self._take_queued(BATCH_SECONDS):
            batch.append(write)
            await self._runner.run_last_write(batch)
        await self._serial_executor.run(self._commit)
        if self._on_commit:
            self._on_commit(len(batch), time.perf_counter() - started)

    async def _begin(self) -> None:
        """Begin a transaction in the turn of this process. Raises Unavailable."""
        await self._turn.take()
        await self._begin_in_turn()

    async def _begin_in_turn(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            # A program that takes no turns is writing: SQLite waits for its end.
            with waiting_for_others(self._writer, BUSY_TIMEOUT):
                await self._serial_executor.run(self._writer.execute, "BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._writer.execute("COMMIT")
        self._write_ahead_log.shorten()
        self._turn.release()

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply pending migrations in one exclusive transaction."""
        await self._write_exclusively(lambda: self._apply_pending(migrations))

    async def replace_content(self, content: NewContent) -> None:
        """Replace all content in one exclusive transaction."""
        try:
            await self._write_exclusively(lambda: self._replace_content(content))
        except sqlite3.IntegrityError as error:
            raise ContentRejected(str(error)) from error

    async def _write_exclusively(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._begin()
        try:
            self._writer.execute(VERSIONS)
            await work()
            await self._serial_executor.run(self._commit)
        except BaseException:
            self._writer.rollback()
            self._turn.release()
            raise

    async def _apply_pending(self, migrations: Sequence[Migration]) -> None:
        (newest,) = self._writer.execute(NEWEST).fetchone()
        oldest = self._writer.execute(OLDEST_SERVER).fetchone()[0] if newest > migrations[-1][0] else None
        for migration in pending_migrations(migrations, newest, oldest):
            await self._apply(migrations, migration)

    async def _replace_content(self, content: NewContent) -> None:
        if self._writer.execute(NEWEST).fetchone()[0] and not content.is_overwriting:
            raise DatabaseNotEmpty
        for table in content.dropped:
            self._writer.execute(f"DROP TABLE IF EXISTS {table}")
        self._writer.execute(VERSIONS)
        for migration in content.migrations:
            await self._apply(content.migrations, migration)
        await content.fill(DirectTx(self._writer, self.secrets))

    async def _apply(self, migrations: Sequence[Migration], migration: Migration) -> None:
        number, name, work = migration
        if isinstance(work, str):
            for statement in work.split(";\n"):
                self._writer.execute(statement)
        else:
            await work(DirectTx(self._writer, self.secrets))
        self._writer.execute("INSERT INTO schema_versions (version, name) VALUES (?, ?)", (number, name))
        if has_compatibility(migrations, migration):
            values = (find_oldest_server(migration), number)
            self._writer.execute("UPDATE schema_versions SET oldest_server = ? WHERE version = ?", values)

    async def erase_deleted_content(self) -> None:
        """Write the file anew, and empty the log of writes."""
        await self._turn.take()
        try:
            with waiting_for_others(self._writer, BUSY_TIMEOUT):
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    await self._serial_executor.run(lambda sql: self._writer.execute(sql).fetchall(), statement)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Finish the queued writes, then close the file."""
        if self._closed:
            return
        self._closed = True
        if self._writer_task is not None:
            with suppress(Unavailable):
                await self._enqueue(_do_nothing)
            self._writer_task.cancel()
        self._serial_executor.shutdown()
        self._scan_threads.shutdown()
        for connection in (self._read_connection, *(scanner.connection for scanner in self._scanners), self._writer):
            connection.close()
        self._turn.close()


async def _do_nothing(_: Tx) -> None:
    """Write nothing: its commit follows those of the writes queued before."""
