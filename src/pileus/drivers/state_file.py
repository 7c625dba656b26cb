"""A state file of a driver: an SQLite database that several processes of one host share."""

import re
import sqlite3
from pathlib import Path

from pileus.domain.ids import canonical_id

FORMER_ID = re.compile(
    r'(^|"(?:image|network|subnet)_id":")([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})(?=$|")'
)
"""A former id of the catalogue: a whole value, or a reference in JSON."""
VERSION = 1
TEXT_COLUMNS = """
SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'TEXT'
"""


class StateFile:
    """Opens the file and creates its tables.

    `SCHEMA` of each class of the hierarchy is executed, that of base classes first.
    """

    SCHEMA = ""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        for base in reversed(type(self).__mro__):
            self._db.executescript(vars(base).get("SCHEMA", ""))
        self._replace_former_ids()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _replace_former_ids(self) -> None:
        """Replace the ids of the catalogue that earlier versions wrote, once."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version >= VERSION:
                return
            self._db.create_function("present_ids", 1, _present_ids, deterministic=True)
            for table, column in self._db.execute(TEXT_COLUMNS).fetchall():
                update = f"UPDATE {table} SET {column} = present_ids({column})"  # noqa: S608  # names of the file's tables
                self._db.execute(f"{update} WHERE {column} LIKE '%-____-5___-____-%'")
            self._db.execute(f"PRAGMA user_version={VERSION}")


def _present_ids(text: str) -> str:
    return FORMER_ID.sub(lambda match: match[1] + canonical_id(match[2]), text)
