"""A connection to PostgreSQL that sends several statements at once and waits once for all their results.

libpq's pipeline mode is used directly, because psycopg's own needs more time for a statement than PostgreSQL does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, DataError, OperationalError, errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from pileus.store.database import Row
from pileus.store.postgres_dialect import translate_sql_to_postgres

PREPARE_AT = 3
"""The use of a statement on a connection at which it is prepared."""
MOST_STATEMENTS = 256
"""Statements that a connection counts or keeps prepared; the least recently used one is dropped."""
OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
StatementKey = tuple[bytes, tuple[int, ...]]
"""Text and types of the parameters."""
DumpedStatement = tuple[bytes, Any, tuple[int, ...] | None, Any]
"""Text, values, types and formats."""
FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Statement(NamedTuple):
    """A statement with `:name` parameters. Without parameters it is BEGIN, COMMIT or ROLLBACK and never prepared."""

    sql: str
    values: dict[str, Any] | None = None


class Answer(NamedTuple):
    """The number of affected rows, and the rows."""

    rowcount: int
    rows: list[Row]


class PipelineConnection:
    """A connection in pipeline mode. One exchange is under way at a time."""

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._transformer = Transformer(connection)
        self._loop = asyncio.get_running_loop()
        self._socket = self._pgconn.socket
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None
        self._results: list[PGresult] = []
        self._uses: dict[StatementKey, int | bytes] = {}
        self._prepared_count = self._sent = self._unfinished = 0
        self._is_writing = False
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has been closed, by either side."""
        return bool(self._pgconn.status == ConnStatus.BAD)

    @property
    def is_idle(self) -> bool:
        """Whether the connection can be used by somebody else: it is open, and no transaction is."""
        return self._pgconn.transaction_status == TransactionStatus.IDLE

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._pgconn.transaction_status in OPEN

    async def execute(self, statements: Sequence[Statement]) -> list[Answer]:
        """Execute statements, in one round trip. Raises psycopg.Error of the first that fails; the rest is skipped."""
        async with self._turn:
            (answers,) = await self._exchange([[self._dump(statement) for statement in statements]])
        if isinstance(answers, psycopg.Error):
            raise answers
        return answers

    async def execute_each(self, statements: Sequence[Statement]) -> list[Answer | Exception]:
        """Execute statements that read and do not depend on each other; each has an answer or an error.

        That takes one round trip, and a second one if a statement fails.
        """
        outcomes: dict[int, Answer | Exception] = {}
        dumped: dict[int, DumpedStatement] = {}
        async with self._turn:
            for number, statement in enumerate(statements):
                try:
                    dumped[number] = self._dump(statement)
                except (DataError, UnicodeEncodeError) as error:
                    outcomes[number] = error
            outcomes.update(zip(dumped, await self._execute_each(list(dumped.values())), strict=True))
        return [outcomes[number] for number in range(len(statements))]

    async def _execute_each(self, statements: Sequence[DumpedStatement]) -> Sequence[Answer | psycopg.Error]:
        if not statements:
            return []
        # As one batch first: the end of a batch is a system call on both sides, and a transaction of its own.
        (answers,) = await self._exchange([statements])
        if not isinstance(answers, psycopg.Error):
            return answers
        if len(statements) == 1:
            return [answers]
        outcomes = await self._exchange([[statement] for statement in statements])
        return [outcome if isinstance(outcome, psycopg.Error) else outcome[0] for outcome in outcomes]

    async def _exchange(self, batches: Sequence[Sequence[DumpedStatement]]) -> list[list[Answer] | psycopg.Error]:
        """Send batches together and wait for all their results. Raises psycopg.Error if the connection breaks."""
        if self.is_closed:
            raise OperationalError("the connection is closed")
        has_ended = False
        try:
            sent_batches = [self._send(batch) for batch in batches]
            self._unfinished, self._waiting = len(batches), self._loop.create_future()
            self._flush()
            await self._waiting
            has_ended = True
        finally:
            if not has_ended:
                # The results of these batches would be taken for those of the next ones.
                self.close()
        results, self._results = self._results, []
        first, outcomes = 0, []
        for positions, prepared in sent_batches:
            last = first + positions[-1] + 1
            outcomes.append(self._outcome_of(results[first:last], positions, prepared))
            first = last
        return outcomes

    def _send(self, batch: Sequence[DumpedStatement]) -> tuple[list[int], list[tuple[int, StatementKey]]]:
        """Give a batch to libpq; return the positions of the results, and of those of preparations."""
        positions: list[int] = []
        prepared: list[tuple[int, StatementKey]] = []
        self._sent = 0
        for sql, values, types, formats in batch:
            name = None if types is None else self._prepare((sql, types), prepared)
            if name is None:
                self._pgconn.send_query_params(sql, values, types, formats)
            else:
                self._pgconn.send_query_prepared(name, values, formats)
            positions.append(self._sent)
            self._sent += 1
        self._pgconn.pipeline_sync()
        return positions, prepared

    def _outcome_of(
        self, results: Sequence[PGresult], positions: Sequence[int], prepared: Sequence[tuple[int, StatementKey]]
    ) -> list[Answer] | psycopg.Error:
        """Return the answers of a batch, or the error that ended it."""
        for position, key in prepared:
            if results[position].status != ExecStatus.COMMAND_OK:
                self._uses.pop(key, None)
        for result in results:
            if result.status in FAILED:
                return _error_of(result)
        return [self._answer_of(results[position]) for position in positions]

    def _dump(self, statement: Statement) -> DumpedStatement:
        sql, names = translate_sql_to_postgres(statement.sql)
        if statement.values is None:
            return sql, None, None, None
        values = [statement.values[name] for name in names]
        dumped = self._transformer.dump_sequence(values, _formats(len(values)))
        return sql, dumped, self._transformer.types or (), self._transformer.formats

    def _prepare(self, key: StatementKey, prepared: list[tuple[int, StatementKey]]) -> bytes | None:
        """Return the name of a prepared statement, or None if it is used too rarely."""
        use = self._uses.pop(key, 0)
        if isinstance(use, int):
            use += 1
        if use == PREPARE_AT:
            self._prepared_count += 1
            use = b"s%d" % self._prepared_count
            self._pgconn.send_prepare(use, *key)
            prepared.append((self._sent, key))
            self._sent += 1
        # The most recently used one comes last.
        self._uses[key] = use
        if len(self._uses) > MOST_STATEMENTS:
            self._drop(self._uses.pop(next(iter(self._uses))))
        return use if isinstance(use, bytes) else None

    def _drop(self, use: int | bytes) -> None:
        if isinstance(use, bytes):
            self._pgconn.send_query_params(b"DEALLOCATE " + use, None)
            self._sent += 1

    def _answer_of(self, result: PGresult) -> Answer:
        if result.status != ExecStatus.TUPLES_OK:
            return Answer(result.command_tuples or 0, [])
        self._transformer.set_pgresult(result)
        return Answer(result.ntuples, self._transformer.load_rows(0, result.ntuples, tuple))

    def _flush(self) -> None:
        try:
            has_more = bool(self._pgconn.flush())
        except psycopg.Error as error:
            self._end(error)
            return
        if has_more and not self._is_writing:
            self._loop.add_writer(self._socket, self._flush)
        elif not has_more and self._is_writing:
            self._loop.remove_writer(self._socket)
        self._is_writing = has_more

    def _read(self) -> None:
        """Take the results that have arrived."""
        try:
            self._pgconn.consume_input()
            while self._waiting is not None and (result := self._next_result()) is not None:
                if result.status == ExecStatus.PIPELINE_SYNC:
                    self._finish_batch()
                else:
                    self._results.append(result)
        except psycopg.Error as error:
            self._end(error)
        else:
            if self.is_closed:
                self._end(OperationalError("the server closed the connection"))

    def _next_result(self) -> PGresult | None:
        """Return the next result that has arrived, or None."""
        # libpq marks the end of the results of each statement by None.
        for _ in range(2):
            if self._pgconn.is_busy():
                return None
            result = self._pgconn.get_result()
            if result is not None:
                return result
        return None

    def _finish_batch(self) -> None:
        self._unfinished -= 1
        if not self._unfinished:
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def _end(self, error: psycopg.Error) -> None:
        """Close the connection because it is broken, and tell who waits for it."""
        waiting, self._waiting = self._waiting, None
        self.close()
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def cut(self) -> None:
        """Close the connection, and let a pending exchange fail now.

        The loop need not report that the server is gone: uvloop stops to watch a socket that has been reset.
        """
        self._end(OperationalError("the connection was cut, because the server does not answer"))

    def close(self) -> None:
        """Close the connection, once; an open transaction ends with it."""
        if self._socket >= 0:
            with suppress(ValueError, OSError):
                self._loop.remove_reader(self._socket)
                self._loop.remove_writer(self._socket)
            self._socket = -1
            self._pgconn.finish()

    def fileno(self) -> int:
        """Return the descriptor of the socket, or -1 if the connection is closed."""
        return self._socket


@lru_cache
def _formats(count: int) -> list[PyFormat]:
    return [PyFormat.AUTO] * count


def _error_of(result: PGresult) -> psycopg.Error:
    code = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    message = result.error_message.decode("utf-8", "replace")
    try:
        return errors.lookup(code)(message)
    except KeyError:
        return psycopg.DatabaseError(message)
