"""The size of SQLite's write-ahead log.

SQLite copies the log into the database after every 1,000 pages, without waiting, and then starts the log anew. It
cannot while a reader uses an old snapshot: lists that overlap without a gap would let the log grow without end. When
the log is too large, the next commit therefore waits for the readers of old snapshots to finish. Readers that come
later are not delayed.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_SIZE = 8 << 20
"""The bytes of the file that are kept for the next pages when the log starts anew."""
LARGEST_SIZE = 32 << 20
"""A larger file has not started anew since it had this size, because that leaves `KEPT_SIZE`."""
READER_TIMEOUT = 1000
"""Milliseconds to wait for readers."""
LOG = logging.getLogger(__name__)


@contextmanager
def waiting_for_others(connection: sqlite3.Connection, milliseconds: int) -> Iterator[None]:
    """Let the statements of a writer wait for other processes, which they otherwise do not."""
    connection.execute(f"PRAGMA busy_timeout={milliseconds}")
    try:
        yield
    finally:
        connection.execute("PRAGMA busy_timeout=0")


class WriteAheadLog:
    """The log of a database file, as the connection of a writer sees it."""

    def __init__(self, database: Path, connection: sqlite3.Connection) -> None:
        self._file = Path(f"{database}-wal")
        self._connection = connection
        self._next_size = LARGEST_SIZE

    def shorten(self) -> None:
        """Copy the log into the database if it is too large, outside of a transaction; waits for readers.

        The commit before has succeeded, whatever happens here.
        """
        try:
            size = self._file.stat().st_size
            if size >= self._next_size:
                self._copy(size)
        except (OSError, sqlite3.Error):
            LOG.exception("The write-ahead log cannot be copied into the database")

    def _copy(self, size: int) -> None:
        """Copy all pages and empty the file; if readers prevent that, try again when it has grown further."""
        with waiting_for_others(self._connection, READER_TIMEOUT):
            is_busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._next_size = size + LARGEST_SIZE if is_busy else LARGEST_SIZE
        if is_busy:
            LOG.warning("A long read keeps the write-ahead log from being emptied", extra={"bytes": size})
