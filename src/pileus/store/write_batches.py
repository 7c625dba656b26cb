"""Run the writes of a batch in one transaction of SQLite: one that fails does not fail the others.

A savepoint makes SQLite copy each page before its first change, which takes a tenth of a short write. So writes have
none. One that fails has usually changed nothing yet. Otherwise the transaction begins again, and its other writes run
again, each in a savepoint. So do the writes of the next second: failures often come together.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pileus.domain.errors import Stale, Unavailable
from pileus.store.database import ATTEMPTS, TOO_MANY, Work
from pileus.store.secrets import SecretBox
from pileus.store.sqlite_transactions import DirectTx
from pileus.store.table_counts import write_count_changes

SAVEPOINT_SECONDS = 1.0
"""How long writes have savepoints after one has failed."""
UNIQUE_VIOLATIONS = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
WRITER_ENDED = "The writer of the database has ended: try again"


class QueuedWrite:
    """A write in the queue, and its result."""

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.attempts = 0
        self.has_failed_part = False
        """Whether a part of it that could be undone only with the whole transaction has failed."""

    @property
    def is_retryable(self) -> bool:
        """Whether the write has failed in a way in which it need not fail again."""
        return self.has_failed_part or isinstance(self.error, Stale)

    def settle(self, batch_error: Exception | None) -> None:
        """Set the future's result, unless its awaiter has been cancelled."""
        if self.future.done():
            return
        if error := self.error or batch_error:
            self.future.set_exception(error)
        else:
            self.future.set_result(self.result)


class BatchRunner:
    """Runs writes by a connection, in a transaction that `begin` begins."""

    def __init__(
        self, connection: sqlite3.Connection, secrets: SecretBox, begin: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._connection, self._secrets, self._begin = connection, secrets, begin
        self._savepoints_until = 0.0

    async def run_last_write(self, batch: Sequence[QueuedWrite]) -> None:
        """Run the last write of a batch, whose others are done: set its result or its error.

        Raises what ends the whole transaction.
        """
        last = batch[-1]
        if time.monotonic() < self._savepoints_until:
            await self._run_in_savepoint(last)
        elif not await self._run_without_savepoint(last):
            self._savepoints_until = time.monotonic() + SAVEPOINT_SECONDS
            self._connection.execute("ROLLBACK")
            await self._begin()
            done = batch[:-1]
            for write in done:
                # They have to run again, however often they have run.
                write.attempts = 0
            for write in batch if last.is_retryable else done:
                await self._run_in_savepoint(write)

    async def _run_without_savepoint(self, write: QueuedWrite) -> bool:
        """Run a write; return False if it has to be undone."""
        changes, tx = self._connection.total_changes, DirectTx(self._connection, self._secrets)
        await self._attempt(write, tx)
        write.has_failed_part = tx.has_failed_part
        if write.is_retryable:
            return False
        return write.error is None or self._connection.total_changes == changes

    async def _run_in_savepoint(self, write: QueuedWrite) -> None:
        while write.attempts < ATTEMPTS:
            self._connection.execute("SAVEPOINT one")
            # A part that has failed is not tried again.
            tx = DirectTx(self._connection, self._secrets, has_savepoint=True, refuses_parts=write.has_failed_part)
            await self._attempt(write, tx)
            if write.error is not None:
                self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
            if not isinstance(write.error, Stale):
                return

    async def _attempt(self, write: QueuedWrite, tx: DirectTx) -> None:
        write.attempts += 1
        try:
            write.result, write.error = await write.work(tx), None
            self._check_is_in_transaction()
            await write_count_changes(tx)
        except BaseException as error:  # raised to the awaiter of this write
            if _is_being_cancelled() or not self._connection.in_transaction:
                raise
            write.error = _translate(error)

    def _check_is_in_transaction(self) -> None:
        """Raise Unavailable if SQLite has ended the transaction, as on a full disk, and work has gone on without it.

        The counts of such work would be committed, and its records not.
        """
        if not self._connection.in_transaction:
            raise Unavailable(WRITER_ENDED)


def _is_being_cancelled() -> bool:
    """Return whether somebody cancels the current task; if not, a CancelledError is one that the work has raised."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _translate(error: BaseException) -> BaseException:
    """Turn a unique violation into Stale: the write is retried, and its rules then report the conflict."""
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorname in UNIQUE_VIOLATIONS:
        stale = Stale(TOO_MANY)
        stale.__cause__ = error
        return stale
    return error
