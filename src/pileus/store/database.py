"""What a database gives the program: reads, scans, and writes that decide again when they lose a race.

A statement is one text for SQLite and PostgreSQL, with `:name` parameters. A write is a function of a transaction,
because it may be called more than once: when another writer changed the same record meanwhile (`Stale`), it loads and
decides anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

Row = tuple[Any, ...]
T = TypeVar("T")
ATTEMPTS = 12
BEYOND = "A number or a text is beyond what can be kept"
TOO_MANY = "Too many requests change the same thing at once: try again"


class Tx(Protocol):
    """A transaction, or a look at the database."""

    async def run(self, sql: str, **values: Any) -> int:
        """Carry out a statement; the number of rows it touched."""

    async def one(self, sql: str, **values: Any) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Every row."""


Work = Callable[[Tx], Awaitable[T]]
OnCommit = Callable[[int, float], None]
"""Told of each commit: how many writes shared it, and the seconds it took."""

Migration = tuple[int, str, str]
"""Number, name and SQL."""


VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL)"
NEWEST = "SELECT coalesce(max(version), 0) FROM schema_versions"


class Unreachable(Exception):
    """The database server does not answer, or does not let us in; the message says which and why."""


class NewerDatabase(Exception):
    """The database was last written by a newer program than this one."""


def pending_migrations(migrations: Sequence[Migration], newest: int) -> list[Migration]:
    """The migrations that a database of version `newest` has not seen; raises NewerDatabase."""
    known = max((number for number, _, _ in migrations), default=0)
    if newest > known:
        raise NewerDatabase(f"The database has schema version {newest}; this program knows {known}: upgrade Pileus")
    return [migration for migration in migrations if migration[0] > newest]


class Database(Protocol):
    """One of the two databases."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return when it is on disk; what it raises is raised, and nothing written."""

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records: quick, and never waits for a writer."""

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Read lists, from one moment's state, without keeping other requests waiting."""

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Bring the schema up to date, once, whoever else starts; raises NewerDatabase or Unreachable."""

    async def close(self) -> None:
        """Let go of every connection."""
