"""A state file of a driver: an SQLite database that several processes of one host share."""

import sqlite3
from pathlib import Path


class StateFile:
    """Opens the file and creates its tables; it survives a crash of the host if it is `durable`.

    `SCHEMA` of each class of the hierarchy is executed, that of base classes first.
    """

    SCHEMA = ""

    def __init__(self, file: Path, *, durable: bool = True) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        for base in reversed(type(self).__mro__):
            self._db.executescript(vars(base).get("SCHEMA", ""))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
