"""Statements that fail because the disk of the database is full, or does not work."""

import logging
import sqlite3
import time
from math import inf

from pileus.domain.errors import Unavailable

DISK_FULL = "The disk of the database is full"
DISK_BROKEN = "The disk of the database cannot be read or written"
SQLITE_REASONS = {sqlite3.SQLITE_FULL: DISK_FULL, sqlite3.SQLITE_IOERR: DISK_BROKEN}
PRIMARY_CODE = 0xFF
"""The part of an error code of SQLite that its more precise codes have in common."""
LOG_PAUSE = 60.0
"""Seconds between two lines in the log: all writes fail while the disk is full."""
LOG = logging.getLogger(__name__)


class DiskFailures:
    """The failures of disks that this process has met."""

    def __init__(self) -> None:
        self.are_recent = False
        """Whether a statement has failed since `end` was called."""
        self._logged_at = -inf

    def add(self, reason: str) -> Unavailable:
        """Record a failure, log it if none was logged lately, and return the problem for the caller."""
        self.are_recent = True
        if time.monotonic() - self._logged_at > LOG_PAUSE:
            self._logged_at = time.monotonic()
            LOG.error(reason)
        return Unavailable(reason)

    def end(self) -> None:
        """Forget the failures, because a write has succeeded."""
        self.are_recent, self._logged_at = False, -inf

    def find_problem(self, error: BaseException | None) -> Unavailable | None:
        """Return the problem if an error of SQLite is that of a disk, or has followed from one that is."""
        while error is not None:
            if isinstance(error, Unavailable) and error.message in SQLITE_REASONS.values():
                return error
            # Errors of the module itself have no code.
            code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
            if code in SQLITE_REASONS:
                return self.add(SQLITE_REASONS[code])
            error = error.__context__
        return None

    def raise_problem(self, error: sqlite3.Error) -> None:
        """Raise Unavailable if the error is that of a disk."""
        if problem := self.find_problem(error):
            raise problem from error


DISK_FAILURES = DiskFailures()
