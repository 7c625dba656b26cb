"""Connections to a PostgreSQL server that may stop, hang and come back.

When one connection is lost, all idle ones may be lost, so they are closed. While a statement waits longer than
PATIENCE, a connection of its own asks whether the server answers at all. If it does not, everything that waits for it
fails at once, and so does each further request, until the server answers again. A statement that is merely slow goes
on, for at most LONGEST_STATEMENT.
"""

import asyncio
import logging
import math
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, DataError, OperationalError, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pileus.domain.errors import Invalid, Unavailable
from pileus.store.database import OUT_OF_RANGE, Row
from pileus.store.disk_failures import DISK_FAILURES, DISK_FULL
from pileus.store.postgres_pipeline import Answer, PipelineConnection, Statement

LOG = logging.getLogger(__name__)
TICK = 0.1
"""Seconds between two looks at what waits, and between two questions to a server that does not answer."""
PATIENCE = 0.5
"""Seconds that a statement or a request for a connection waits before the server is asked whether it answers."""
PING_TICKS = 8
"""Ticks in which the server must answer. Ticks, not seconds, so that a busy event loop is no sign of an outage."""
LONGEST_STATEMENT = 5.0
"""Seconds until a statement is given up although the server answers others, for example because it waits for a lock."""
LONGEST_QUEUE = 20.0
"""Seconds to wait for a free connection of a server that answers."""
MOST_UNSENT = 100
"""Statements that are sent at the latest when there are as many."""
LONGEST_IDLE = 600.0
"""Seconds after which a connection that nobody needs is closed."""
GRACE = 0.5
"""Seconds that a request waits for the return of a server that is away, so that a quick restart goes unnoticed."""
DEFAULT_OPTIONS = {"tcp_user_timeout": "1500", "connect_timeout": "5"}
"""Options of connections, unless the URL has them: data that the network loses breaks a connection within 1.5 s."""
ON_CONNECT = "SET idle_in_transaction_session_timeout = '10s'"
"""The server ends the transactions, and so the locks, of a process that stands still."""
AWAY = "The database does not answer: try again"
BUSY = "The database is too busy to answer: try again"
UNKNOWN_OUTCOME = "The connection to the database was lost, and the change may have been made or not: read it again"
CONFLICTS = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)
"""Another transaction was faster; it has changed what this one depends on."""
SERVER_ERRORS = (OperationalError, errors.ReadOnlySqlTransaction)
"""Errors that the statement did not cause: the server stops, has become a replica or ended the statement."""


class ConnectionLostError(Exception):
    """The connection broke before a COMMIT was sent, so nothing has changed and the work can run again."""


class PooledConnection:
    """A connection in use; `since` is when it began to wait for the server, or infinite while it waits for nothing."""

    def __init__(self, connections: "PostgresConnections") -> None:
        self.since = connections.time()
        self.generation = connections.generation
        self.connection: PipelineConnection | None = None
        self.queue: asyncio.Timeout | None = None
        self.is_committing = self.is_cut = False
        self._connections = connections
        self._unsent: list[Statement] = []

    def send(self, sql: str, values: dict[str, Any] | None = None) -> None:
        """Let a statement go with the next one that is executed."""
        self._unsent.append(Statement(sql, values))

    async def send_later(self, sql: str, values: dict[str, Any]) -> None:
        """Send a statement with the next one that is executed, at the latest with COMMIT."""
        if len(self._unsent) < MOST_UNSENT:
            self.send(sql, values)
        else:
            await self.execute(sql, values)

    async def execute(self, sql: str, values: dict[str, Any] | None = None) -> Answer:
        """Execute a statement, and those before it that have not been sent, in one round trip.

        Raises ConnectionLostError, Unavailable or Invalid for what it translates.
        """
        assert self.connection is not None  # noqa: S101  # it is handed out with a connection
        statements, self._unsent = [*self._unsent, Statement(sql, values)], []
        self.since = self._connections.time()
        try:
            return (await self.connection.execute(statements))[-1]
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise self._translate(error) from error
        finally:
            self.since = math.inf

    async def execute_each(self, statements: Sequence[Statement]) -> list[Answer | Exception]:
        """Execute statements that do not depend on each other, in one round trip.

        Raises ConnectionLostError or Unavailable if the connection breaks; other errors are outcomes.
        """
        assert self.connection is not None  # noqa: S101  # it is handed out with a connection
        self.since = self._connections.time()
        try:
            outcomes = await self.connection.execute_each(statements)
        except psycopg.Error as error:
            raise self._connections.translate(self, error) from error
        finally:
            self.since = math.inf
        return [self._translate(outcome) if isinstance(outcome, Exception) else outcome for outcome in outcomes]

    def _translate(self, error: Exception) -> Exception:
        if isinstance(error, (DataError, UnicodeEncodeError)):
            return Invalid(OUT_OF_RANGE)
        return self._connections.translate(self, error) if isinstance(error, psycopg.Error) else error

    async def commit(self) -> None:
        """Commit the transaction. Raises Unavailable if the connection breaks: the outcome is unknown then."""
        assert self.connection is not None  # noqa: S101  # it is handed out with a connection
        if not self.connection.is_in_transaction:
            if self._unsent[1:]:
                # BEGIN has not been sent. A connection that died unnoticed must not cost the outcome.
                await self.execute(*self._unsent.pop())
            else:
                self._unsent.clear()
                return
        self.is_committing = True
        await self.execute("COMMIT")

    async def rollback(self) -> None:
        """End a transaction that is still open; a broken connection has ended it already."""
        self._unsent.clear()
        if self.connection is not None and self.connection.is_in_transaction:
            with suppress(ConnectionLostError, Unavailable):
                await self.execute("ROLLBACK")

    def cut(self) -> None:
        """Make what waits for the server fail now. A cancellation would itself wait for the server."""
        self.is_cut = True
        if self.connection is not None:
            self.connection.cut()
        elif self.queue is not None and not self.queue.expired():
            self.queue.reschedule(self._connections.time())


class PostgresConnections:
    """A pool of connections that is emptied after an outage. Use it in one event loop."""

    def __init__(self, url: str, maximum: int) -> None:
        options = conninfo_to_dict(url)
        self._conninfo = make_conninfo(url, **{key: DEFAULT_OPTIONS[key] for key in DEFAULT_OPTIONS.keys() - options})
        self.generation = 0
        self._places = asyncio.Semaphore(maximum)
        self._idle: list[tuple[PipelineConnection, float]] = []
        self._in_use: set[PooledConnection] = set()
        self._suspected = asyncio.Event()
        self._away_since: float | None = None
        self._returned = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._probe: AsyncConnection[Row] | None = None
        self._ping_task: asyncio.Task[None] | None = None
        self._is_closed = False

    def time(self) -> float:
        """Return the time of the event loop."""
        return asyncio.get_running_loop().time()

    async def acquire(self) -> PooledConnection:
        """Wait for a connection. Raises Unavailable."""
        if self._is_closed:
            raise Unavailable("The database is closed")
        if self._away_since is not None:
            await self._wait_for_return()
        pooled = PooledConnection(self)
        self._in_use.add(pooled)
        try:
            if not self._places.locked() and (idle := self._take_idle()):
                await self._places.acquire()
                pooled.connection = idle
            else:
                pooled.connection = await self._wait_for_connection(pooled)
        finally:
            if pooled.connection is None:
                self._in_use.discard(pooled)
        pooled.since = math.inf
        return pooled

    async def _wait_for_connection(self, pooled: PooledConnection) -> PipelineConnection:
        """Wait for a place, and connect if no connection is idle by then. Raises Unavailable."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name="postgres-watch")
        try:
            async with asyncio.timeout(LONGEST_QUEUE) as pooled.queue:
                await self._places.acquire()
                return await self._connect_in_place()
        except TimeoutError as error:
            raise self._unavailable() from error

    async def _connect_in_place(self) -> PipelineConnection:
        """Return an idle connection or a new one; gives the place back if that fails."""
        has_connected = False
        try:
            connection = self._take_idle() or await self._connect()
            has_connected = True
        finally:
            if not has_connected:
                self._places.release()
        return connection

    def _take_idle(self) -> PipelineConnection | None:
        """Return the idle connection that was used last, or None."""
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed:
                return connection
        return None

    async def _connect(self) -> PipelineConnection:
        """Connect; a server that refuses is asked again and again, until somebody cuts or cancels this."""
        while True:
            try:
                return await self._connect_once()
            except psycopg.Error:
                self._suspected.set()
                await asyncio.sleep(TICK)

    async def _connect_once(self) -> PipelineConnection:
        connection = await AsyncConnection.connect(self._conninfo, autocommit=True)
        is_usable = False
        try:
            await connection.execute(ON_CONNECT)
            is_usable = True
        finally:
            if not is_usable:
                await connection.close()
        return PipelineConnection(connection)

    async def _wait_for_return(self) -> None:
        try:
            async with asyncio.timeout(GRACE):
                await self._returned.wait()
        except TimeoutError as error:
            raise self._unavailable() from error

    def release(self, pooled: PooledConnection) -> None:
        """Give a connection back, once."""
        if pooled not in self._in_use:
            return
        self._in_use.discard(pooled)
        self._places.release()
        assert pooled.connection is not None  # noqa: S101  # it was acquired
        if pooled.generation == self.generation and pooled.connection.is_idle and not self._is_closed:
            self._idle.append((pooled.connection, self.time()))
        else:
            pooled.connection.close()

    def translate(self, pooled: PooledConnection, error: psycopg.Error) -> Exception:
        """Return what a failed statement means for the caller; errors of the statement itself stay what they are."""
        if pooled.connection is not None and pooled.connection.is_closed:
            self._drop_idle(pooled.generation)
            self._suspected.set()
            if pooled.is_committing:
                return Unavailable(UNKNOWN_OUTCOME)
            return self._unavailable() if pooled.is_cut else ConnectionLostError()
        if isinstance(error, errors.DiskFull):
            return DISK_FAILURES.add(DISK_FULL)
        if isinstance(error, SERVER_ERRORS) and not isinstance(error, CONFLICTS):
            return self._unavailable()
        return error

    def _unavailable(self) -> Unavailable:
        return Unavailable(BUSY if self._away_since is None else AWAY)

    def _drop_idle(self, generation: int) -> None:
        """Close all idle connections, and those in use when they come back, unless that has been done since."""
        if generation == self.generation:
            self.generation += 1
            for connection, _ in self._idle:
                connection.close()
            self._idle.clear()

    def _close_long_idle(self) -> None:
        """Close connections that nobody has needed for long, except one."""
        while len(self._idle) > 1 and self.time() - self._idle[0][1] > LONGEST_IDLE:
            self._idle.pop(0)[0].close()

    async def _watch(self) -> None:
        """Look after what waits, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._suspected.wait()
            self._close_long_idle()
            is_suspected = self._suspected.is_set() or self._away_since is not None
            self._suspected.clear()
            waits = {pooled: self.time() - pooled.since for pooled in self._in_use}
            for pooled, seconds in waits.items():
                if seconds > LONGEST_STATEMENT and pooled.connection is not None:
                    pooled.cut()
            if is_suspected or any(seconds > PATIENCE for seconds in waits.values()):
                await self._check_server()

    async def _check_server(self) -> None:
        failure = await self._ping()
        if failure:
            if self._away_since is None:
                LOG.warning("The database does not answer", extra={"reason": failure})
                self._away_since = self.time()
                self._returned.clear()
            self._drop_idle(self.generation)
            for pooled in list(self._in_use):
                pooled.cut()
        elif self._away_since is not None:
            LOG.warning("The database answers again", extra={"seconds": round(self.time() - self._away_since, 1)})
            self._away_since = None
            self._returned.set()

    async def _ping(self) -> str:
        """Ask the server for an answer; return an empty string, or the reason why there is none."""
        ping = self._ping_task = asyncio.create_task(self._select_one(), name="postgres-ping")
        for _ in range(PING_TICKS):
            await asyncio.wait({ping}, timeout=TICK)
            if ping.done():
                break
        else:
            await self._abandon(ping)
        if not ping.done() or ping.cancelled():
            return "no answer in time"
        failure = ping.exception()
        return str(failure).strip().partition("\n")[0] if failure else ""

    async def _abandon(self, ping: asyncio.Task[None]) -> None:
        """End a question without an answer: a statement with its connection, an attempt to connect by cancelling it."""
        if self._probe is not None:
            _shut(self._probe)
            await asyncio.wait({ping}, timeout=TICK)
        ping.cancel()
        await asyncio.wait({ping}, timeout=TICK)

    async def _select_one(self) -> None:
        if self._probe is not None:
            with suppress(psycopg.Error):
                await self._probe.execute("SELECT 1")
                return
            await self._probe.close()
            self._probe = None
        self._probe = await AsyncConnection.connect(self._conninfo, autocommit=True)

    async def close(self) -> None:
        """Close every connection; further uses raise Unavailable."""
        self._is_closed = True
        for task in (self._watcher, self._ping_task):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        self._drop_idle(self.generation)
        for pooled in self._in_use:
            if pooled.connection is None:
                pooled.cut()
        if self._probe is not None:
            await self._probe.close()


def _shut(connection: AsyncConnection[Row]) -> None:
    """End a connection's socket, so that a pending statement fails now."""
    with suppress(OSError, OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
