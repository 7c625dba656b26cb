"""The interface of both databases: reads, scans, and writes that are retried after a conflict.

A statement is one text for SQLite and PostgreSQL, with `:name` parameters. A write is a function of a transaction,
because it may run more than once: when another writer has changed the same record (`Stale`), it loads the record and
decides again.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from pileus.domain.compute.instances import Instance
from pileus.store.count_changes import CountChanges
from pileus.store.secrets import SecretBox

Row = tuple[Any, ...]
T = TypeVar("T")
ATTEMPTS = 12
OUT_OF_RANGE = "A number or a text is beyond what can be kept"
TOO_MANY = "Too many requests change the same thing at once: try again"
TRIAL_ROWS, TRIAL_LENGTH = 4, 2000
"""The rows that a trial adds: each needs a page of its own."""
ADD_TRIAL_ROW = "INSERT INTO counters (name, value) VALUES (:name, 0) ON CONFLICT DO NOTHING"
DELETE_TRIAL_ROW = "DELETE FROM counters WHERE name = :name"
FOR_USE = "/* FOR SHARE */"
"""Ends a SELECT of a record that the transaction refers to: until it ends, nobody changes or deletes the record."""
FOR_CHANGE = "/* FOR UPDATE */"
"""Ends a SELECT of a record whose users the transaction then looks for: until it ends, nobody else uses the record."""
SKIPPING_LOCKED = "/* FOR UPDATE SKIP LOCKED */"
"""Like FOR_CHANGE, but the SELECT leaves out what another transaction has locked."""


class Tx(Protocol):
    """A transaction, or a read-only view of the database."""

    @property
    def secrets(self) -> SecretBox:
        """Encrypts and decrypts columns."""

    @property
    def count_changes(self) -> CountChanges:
        """The counts that the transaction changes at its end."""

    @property
    def stamp(self) -> int:
        """The stamp of the instances that this attempt of the transaction changes."""

    @property
    def stamped(self) -> set[tuple[str, ...]]:
        """The queries, with their values, of the instances that this attempt has given its stamp."""

    @property
    def saved_instances(self) -> dict[str, Instance]:
        """The instances that this attempt has inserted or saved last, by id: nobody else can change them meanwhile.

        Whoever changes instances by a statement of his own clears it.
        """

    async def run(self, sql: str, **values: Any) -> int:
        """Execute a statement and return the number of affected rows."""

    async def send(self, sql: str, **values: Any) -> None:
        """Execute a statement whose outcome does not matter; an error may be raised by a later one or by the commit."""

    async def lock(self, sql: str, **values: Any) -> None:
        """Lock rows until the transaction ends, by an UPDATE that changes nothing.

        It is not executed where there is one writer.
        """

    async def one(self, sql: str, **values: Any) -> Row | None:
        """Return the first row, or None."""

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Return every row."""


class Stamped:
    """One attempt of a transaction, with its stamp.

    A stamp is random, so that none comes twice: not after a rollback, and not in a database that is restored.
    `stamped` are the queries of the instances that have got it, so that none gets it twice.
    """

    _stamp = 0

    def __init__(self) -> None:
        self.stamped: set[tuple[str, ...]] = set()
        self.saved_instances: dict[str, Instance] = {}

    @property
    def stamp(self) -> int:
        """A random number of 63 bits."""
        # Not a cached property, which takes a lock: this is read several times in each transaction.
        self._stamp = self._stamp or new_stamp()
        return self._stamp


def new_stamp() -> int:
    """Return a random number that fits a BIGINT."""
    return int.from_bytes(os.urandom(8), "big") >> 1


Work = Callable[[Tx], Awaitable[T]]
OnCommit = Callable[[int, float], None]
"""Called after each commit with its number of writes and its duration in seconds."""

Migration = tuple[int, str, str | Work[None]]
"""Number, name, and SQL or a function of the transaction."""


VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL)"
NEWEST = "SELECT coalesce(max(version), 0) FROM schema_versions"
OLDEST_SERVER = "SELECT max(oldest_server) FROM schema_versions"
"""The newest migration that a server has to know."""


class DatabaseUnreachable(Exception):
    """The database server does not answer or refuses the connection; the message names it and the reason."""


class DatabaseInUse(Exception):
    """Other programs use the database; the message is one line and says what to do."""


class DatabaseNotEmpty(Exception):
    """The database has content that nobody has said to replace."""


class ContentRejected(Exception):
    """The database does not accept its new content; the message names the constraint that it violates."""


class NewContent(Struct, frozen=True, kw_only=True):
    """What replaces the content of a database: `fill` runs after the migrations.

    The `dropped` tables are those of the program, each in front of those that it refers to. Unless `is_overwriting`,
    the database has to be empty.
    """

    dropped: Sequence[str]
    migrations: Sequence[Migration]
    fill: Work[None]
    is_overwriting: bool


class DatabaseNewerThanProgram(Exception):
    """A newer version of the program has migrated the database."""


async def check_connection(tx: Tx) -> None:
    """Read from a table, to check that the database answers."""
    await tx.one("SELECT 1 FROM clients")


async def try_to_write(tx: Tx) -> None:
    """Write new pages, and delete what is in them, to learn whether the disk has room."""
    names = [f"trial {number} {'-' * TRIAL_LENGTH}" for number in range(TRIAL_ROWS)]
    for statement in (ADD_TRIAL_ROW, DELETE_TRIAL_ROW):
        for name in names:
            await tx.run(statement, name=name)


class Database(Protocol):
    """A SQLite or PostgreSQL database."""

    @property
    def secrets(self) -> SecretBox:
        """Encrypts and decrypts columns."""

    @property
    def columns_statement(self) -> str:
        """The statement that selects the names of all tables and their columns, in the order of the columns."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return after its commit is durable; an exception rolls it back."""

    async def write_alone(self, work: Work[T]) -> T:
        """Run `work` as `write` does, while no other transaction has read or written anything and goes on.

        For what concerns the whole database: others wait. Raises Unavailable if others do not end.
        """

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up single records: fast, and never blocked by a writer."""

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Read lists from one snapshot, without blocking other requests."""

    async def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply pending migrations, once even if many processes start. A newer schema that is compatible stays.

        Raises DatabaseNewerThanProgram or DatabaseUnreachable.
        """

    async def erase_deleted_content(self) -> None:
        """Erase what has been overwritten or deleted from the database's files, as far as that is possible."""

    async def close(self) -> None:
        """Close every connection."""


class RestorableDatabase(Database, Protocol):
    """A database whose content can be replaced."""

    async def replace_content(self, content: NewContent) -> None:
        """Replace all content in one transaction; nobody else may use the database.

        Raises DatabaseInUse, DatabaseNotEmpty, ContentRejected or DatabaseUnreachable: then nothing has changed.
        """
