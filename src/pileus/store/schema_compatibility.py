"""Which servers can use a schema that is newer than their own: expand, migrate, contract.

A migration that only adds tables, indexes and columns *expands* the schema: servers that do not know it go on, and can
start again. Any other migration ends this for older servers, unless it says which ones can go on, by a line such as
`-- oldest server: 33`: for example a migration that removes a column which servers with version 33 do not use any more.
"""

import re
from collections.abc import Sequence

from pileus.store.database import DatabaseNewerThanProgram, Migration, Work

FIRST = "schema_compatibility"
"""The name of the migration since which the database has the compatibility of each migration."""
DECLARATION = re.compile(r"^-- oldest server: ([0-9]+)$", re.MULTILINE)
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
ADDITION = re.compile(r"CREATE TABLE |CREATE INDEX |ALTER TABLE \w+ ADD COLUMN |INSERT INTO |UPDATE ")
INDEX = re.compile(r"CREATE INDEX (\w+) ON ")


def split_statements(script: str) -> list[str]:
    """Return the statements of a migration without comments."""
    return [text for part in COMMENT.sub("", script).split(";\n") if (text := part.strip().rstrip(";"))]


def find_oldest_server(migration: Migration) -> int:
    """Return the newest migration that a server has to know to use the schema after this one; 0 for any server."""
    number, _, work = migration
    if not isinstance(work, str):
        return int(getattr(work, "oldest_server", number))
    if declared := DECLARATION.search(work):
        return int(declared[1])
    return 0 if all(map(_is_addition, split_statements(work))) else number


def for_all_servers(work: Work[None]) -> Work[None]:
    """Declare that all servers can use the schema after a migration that is a function."""
    work.oldest_server = 0  # type: ignore[attr-defined]  # what `find_oldest_server` reads
    return work


def _is_addition(statement: str) -> bool:
    has_value = "NOT NULL" not in statement or "DEFAULT" in statement
    return ADDITION.match(statement) is not None and (has_value or not statement.startswith("ALTER"))


def is_of_indexes(migration: Migration) -> bool:
    """Return whether a migration only creates indexes, which is possible while servers write."""
    work = migration[2]
    return isinstance(work, str) and all(map(INDEX.match, split_statements(work)))


def has_compatibility(migrations: Sequence[Migration], migration: Migration) -> bool:
    """Return whether the database can keep the compatibility of a migration: not of those before FIRST."""
    first = next((number for number, name, _ in migrations if name == FIRST), migration[0] + 1)
    return migration[0] >= first


def pending_migrations(
    migrations: Sequence[Migration], applied_version: int, oldest_server: int | None = None
) -> list[Migration]:
    """Return the migrations that are newer than `applied_version`.

    `oldest_server` is the newest migration that a server has to know; without it, it has to know all. Raises
    DatabaseNewerThanProgram.
    """
    known = max((number for number, _, _ in migrations), default=0)
    if known < applied_version and (oldest_server is None or known < oldest_server):
        raise DatabaseNewerThanProgram(
            f"The database has schema version {applied_version}; this program knows {known}: upgrade Pileus"
        )
    return [migration for migration in migrations if migration[0] > applied_version]
