"""What a database gives the program: reads, scans, and writes that decide again when they lose a race.

A statement is one text for SQLite and PostgreSQL, with `:name` parameters. A write is a function of a transaction, because
it may be called more than once: when another writer changed the same record meanwhile (`Stale`), it loads and decides anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

Row = tuple[Any, ...]
T = TypeVar("T")
ATTEMPTS = 12


class Tx(Protocol):
    """A transaction, or a look at the database."""

    async def run(self, sql: str, **values: Any) -> int:
        """Carry out a statement; the number of rows it touched."""

    async def one(self, sql: str, **values: Any) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Every row."""


Work = Callable[[Tx], Awaitable[T]]
Committed = Callable[[int, float], None]
"""Told of each commit: how many writes shared it, and the seconds it took."""

Migration = tuple[int, str, str]
"""Number, name and SQL."""


class NewerDatabase(Exception):  # noqa: N818  # it reads as what it says
    """The database was last written by a newer program than this one."""


class Database(Protocol):
    """One of the two databases."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return when it is on disk; raises what `work` raises, with nothing written."""

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records: quick, and never waits for a writer."""

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Read lists, from one moment's state, without keeping other requests waiting."""

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Bring the schema up to date, once, whoever else starts; raises NewerDatabase."""

    async def close(self) -> None:
        """Let go of every connection."""
