"""What a driver knows, in a file that several processes of one host share."""

import sqlite3
from pathlib import Path


class StateFile:
    """A file of tables; it outlives the process, and the host too if it is `durable`."""

    SCHEMA = ""

    def __init__(self, file: Path, *, durable: bool = True) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        for part in reversed(type(self).__mro__):
            self._db.executescript(vars(part).get("SCHEMA", ""))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
