"""Which servers can use a newer schema, and migrations of PostgreSQL while servers write."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from pileus.store.database import Database, DatabaseInUse, DatabaseNewerThanProgram, Migration
from pileus.store.postgres_migrations import LOCK_ATTEMPTS
from pileus.store.schema import load_migrations, open_database
from pileus.store.schema_compatibility import (
    FIRST,
    find_oldest_server,
    for_all_servers,
    has_compatibility,
    pending_migrations,
)
from tests.databases import database_url

TABLE = (9000, "table", "CREATE TABLE futures (id BIGINT PRIMARY KEY);\nINSERT INTO futures VALUES (1);\n")
INDEX = (9001, "index", "-- An index.\nCREATE INDEX by_id ON futures (id);\nCREATE INDEX again ON futures (id);\n")
COLUMN = (9001, "column", "ALTER TABLE futures ADD COLUMN more TEXT;\n")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.parametrize(
    ("script", "oldest"),
    [
        ("CREATE TABLE a (id TEXT);\nCREATE INDEX b ON a (id);\n", 0),
        ("-- Why.\nALTER TABLE a ADD COLUMN b TEXT;\nUPDATE a SET b = '';\n", 0),
        ("ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0;\n", 0),
        ("ALTER TABLE a ADD COLUMN b INTEGER NOT NULL;\n", 40),
        ("ALTER TABLE a DROP COLUMN b;\n", 40),
        ("ALTER TABLE a RENAME TO b;\n", 40),
        ("DROP TABLE a;\n", 40),
        ("CREATE UNIQUE INDEX b ON a (id);\n", 40),
        ("-- The column has no users since version 39.\n-- oldest server: 39\nALTER TABLE a DROP COLUMN b;\n", 39),
        ("-- Others would count wrongly.\n-- oldest server: 40\nCREATE TABLE a (id TEXT);\n", 40),
    ],
)
def test_a_migration_that_only_adds_is_for_all_servers_and_others_say_for_which(script: str, oldest: int) -> None:
    assert find_oldest_server((40, "change", script)) == oldest


def test_a_function_is_for_servers_that_know_it_unless_it_says_otherwise() -> None:
    async def change(tx: object) -> None:
        """Change something."""

    assert find_oldest_server((40, "change", change)) == 40
    assert find_oldest_server((40, "change", for_all_servers(change))) == 0


def test_a_server_may_be_older_than_the_schema_by_as_much_as_that_says() -> None:
    known = [(number, str(number), "SELECT 1") for number in range(1, 31)]

    assert pending_migrations(known, 33, 30) == []
    assert pending_migrations(known, 33, 0) == []
    for oldest in (31, None):
        with pytest.raises(DatabaseNewerThanProgram):
            pending_migrations(known, 33, oldest)


def test_the_compatibility_of_a_migration_is_kept_since_there_is_a_column_for_it() -> None:
    migrations = load_migrations()
    first = next(migration for migration in migrations if migration[1] == FIRST)

    kept = [migration[0] for migration in migrations if has_compatibility(migrations, migration)]

    assert kept == list(range(first[0], len(migrations) + 1))


@pytest.fixture
async def futures() -> AsyncIterator[str]:
    """The URL of a PostgreSQL database with a table of a newer version."""
    with database_url("postgres") as url:
        yield url


async def migrate(db: Database, *migrations: Migration) -> None:
    await db.migrate([*load_migrations(), *migrations])


async def wait_until_locked_out(connection: psycopg.AsyncConnection) -> None:
    """Wait until a statement of another connection waits for a lock."""
    async with asyncio.timeout(60):
        while not (await (await connection.execute(WAITING)).fetchone() or (0,))[0]:  # noqa: ASYNC110  # the database does not tell
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("migration", [INDEX, COLUMN], ids=["index", "column"])
async def test_servers_write_while_a_migration_waits_for_a_transaction(
    futures: str, tmp_path: Path, migration: Migration
) -> None:
    db = await open_database(futures, tmp_path)
    await migrate(db, TABLE)
    async with (
        await psycopg.AsyncConnection.connect(futures) as long,
        await psycopg.AsyncConnection.connect(futures, autocommit=True) as server,
    ):
        await long.execute("INSERT INTO futures (id) VALUES (2)")
        migrating = asyncio.create_task(migrate(db, TABLE, migration))
        await wait_until_locked_out(server)

        await server.execute("SET lock_timeout = '30s'")
        await server.execute("INSERT INTO futures (id) VALUES (3)")
        assert not migrating.done()
        await long.commit()
        await migrating

        rows = await (await server.execute("SELECT count(*) FROM futures")).fetchone()
        valid = await (await server.execute("SELECT bool_and(indisvalid) FROM pg_index")).fetchone()
    assert (rows, valid) == ((3,), (True,))
    await migrate(db, TABLE, migration)
    await db.close()


async def test_an_index_that_an_interrupted_migration_has_left_is_made_anew(futures: str, tmp_path: Path) -> None:
    db = await open_database(futures, tmp_path)
    await migrate(db, TABLE)
    async with await psycopg.AsyncConnection.connect(futures, autocommit=True) as connection:
        await connection.execute("CREATE INDEX by_id ON futures (id)")

        await migrate(db, TABLE, INDEX)

        names = await (
            await connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'futures'")
        ).fetchall()
    assert {"by_id", "again"} <= {name for (name,) in names}
    await db.close()


async def test_a_migration_that_cannot_lock_its_table_gives_up_and_changes_nothing(
    futures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pileus.store.postgres_migrations.LOCK_TIMEOUT", "SET LOCAL lock_timeout = '1ms'")
    monkeypatch.setattr("pileus.store.postgres_migrations.PAUSE", 0)
    db = await open_database(futures, tmp_path)
    await migrate(db, TABLE)
    async with await psycopg.AsyncConnection.connect(futures) as long:
        await long.execute("SELECT * FROM futures")

        with pytest.raises(DatabaseInUse, match="The migration 9001 cannot lock its tables"):
            await migrate(db, TABLE, COLUMN)

    assert LOCK_ATTEMPTS > 1
    await migrate(db, TABLE, COLUMN)
    await db.close()
