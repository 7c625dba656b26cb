"""Migrations on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.store.database import Database, DatabaseNewerThanProgram, Migration, Tx
from pileus.store.postgres import Postgres
from pileus.store.schema import load_migrations, open_database
from pileus.store.secrets import SecretBox
from pileus.store.sqlite import Sqlite
from tests.databases import BACKENDS, database_url

FUTURE = (9000, "future", "CREATE TABLE futures (id BIGINT PRIMARY KEY);\n\nCREATE INDEX by_id ON futures (id);\n")
CHANGED = (9000, "changed", "ALTER TABLE projects DROP COLUMN description;\n")
BROKEN = (9001, "broken", "CREATE TABLE half (id BIGINT PRIMARY KEY);\n\nCREATE TABEL oops (id BIGINT);\n")
TABLES = {
    Sqlite: "SELECT m.name, c.name, lower(c.type) FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid",
    Postgres: "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
}
INDEXES = {
    Sqlite: "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1, 2",
    Postgres: "SELECT tablename, indexname FROM pg_indexes i WHERE schemaname = 'public' AND NOT EXISTS "
    "(SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname) ORDER BY 1, 2",
}


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables; empty for SQLite."""
    with database_url(request.param) as address:
        yield address


def new_database(url: str, folder: Path) -> Database:
    secrets = SecretBox(folder / "secrets.key")
    return Postgres(url, secrets) if url else Sqlite(folder / "pileus.db", secrets)


async def select(db: Database, statements: dict[type, str]) -> list[tuple[object, ...]]:
    async with db.read() as tx:
        return [tuple(row) for row in await tx.all(statements[type(db)])]


async def schema_version(db: Database) -> int:
    async with db.read() as tx:
        row = await tx.one("SELECT max(version) FROM schema_versions")
    return int(row[0]) if row else 0


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _, _ in load_migrations()] == list(range(1, len(load_migrations()) + 1))
    assert all(name and work for _, name, work in load_migrations())


async def test_migrating_step_by_step_and_at_once_give_the_same_schema(url: str, tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    stepwise = new_database(url, tmp_path / "slow")
    for number in range(1, len(load_migrations()) + 1):
        await stepwise.migrate(load_migrations()[:number])
    by_steps = await select(stepwise, TABLES), await select(stepwise, INDEXES), await schema_version(stepwise)
    if url:
        await _empty(stepwise)
    await stepwise.close()

    at_once = await open_database(url, tmp_path)

    assert by_steps == (await select(at_once, TABLES), await select(at_once, INDEXES), await schema_version(at_once))
    await at_once.close()


async def test_tags_stay_when_their_table_is_clustered_and_gets_other_indexes(url: str, tmp_path: Path) -> None:
    async def add_tags(tx: Tx) -> None:
        for resource_id, key, value in tags:
            await tx.run(
                "INSERT INTO tags (resource_id, key, value, read_only, kind, project_id, region_id)"
                " VALUES (:resource_id, :key, :value, 1, 'instance', 2, NULL)",
                resource_id=resource_id,
                key=key,
                value=value,
            )

    tags = [("b", "k", "v"), ("a", "l", "w"), ("a", "k", "v")]
    db = new_database(url, tmp_path)
    await db.migrate(load_migrations()[:36])
    await db.write(add_tags)

    await db.migrate(load_migrations())

    async with db.read() as tx:
        rows = await tx.all(
            "SELECT resource_id, key, value, read_only, kind, project_id, region_id FROM tags ORDER BY resource_id, key"
        )
    assert [tuple(row) for row in rows] == [(*tag, 1, "instance", 2, None) for tag in sorted(tags)]
    assert [name for table, name in await select(db, INDEXES) if table == "tags"] == ["tags_of_key", "tags_of_value"]
    await db.close()


async def _empty(db: Database) -> None:
    async def write(tx: object) -> None:
        await tx.run("DROP SCHEMA public CASCADE")  # type: ignore[attr-defined]
        await tx.run("CREATE SCHEMA public")  # type: ignore[attr-defined]

    await db.write(write)


async def test_an_up_to_date_database_is_not_changed(db: Database) -> None:
    before = await select(db, TABLES)

    await db.migrate(load_migrations())

    assert await select(db, TABLES) == before
    assert await schema_version(db) == len(load_migrations())


async def test_a_new_migration_is_applied_once(db: Database) -> None:
    await db.migrate([*load_migrations(), FUTURE])
    await db.migrate([*load_migrations(), FUTURE])

    assert await schema_version(db) == 9000
    assert ("futures", "by_id") in await select(db, INDEXES)


async def test_a_newer_database_that_only_has_more_is_opened_and_not_changed(
    db: Database, url: str, tmp_path: Path
) -> None:
    await db.migrate([*load_migrations(), FUTURE])
    before = await select(db, TABLES)

    again = await open_database(url, tmp_path)

    assert await select(again, TABLES) == before
    assert await schema_version(again) == 9000
    await again.close()


async def test_a_newer_database_that_is_not_compatible_is_refused_and_not_changed(
    db: Database, url: str, tmp_path: Path
) -> None:
    await db.migrate([*load_migrations(), CHANGED])

    with pytest.raises(DatabaseNewerThanProgram, match=r"version 9000.*knows \d+.*upgrade Pileus"):
        await open_database(url, tmp_path)

    assert await schema_version(db) == 9000


@pytest.mark.parametrize("good", [[], [FUTURE]])
async def test_a_failed_migration_is_rolled_back(db: Database, good: list[Migration]) -> None:
    before = await select(db, TABLES)

    with pytest.raises(Exception, match="TABEL"):
        await db.migrate([*load_migrations(), *good, BROKEN])

    # On PostgreSQL each migration is a transaction of its own.
    applied = good if isinstance(db, Postgres) else []
    assert [row for row in await select(db, TABLES) if row[0] != "futures"] == before
    assert await schema_version(db) == (9000 if applied else len(load_migrations()))


async def test_concurrent_starts_migrate_once(url: str, tmp_path: Path) -> None:
    databases = [new_database(url, tmp_path) for _ in range(4)]

    await asyncio.gather(*(db.migrate(load_migrations()) for db in databases))

    assert [await schema_version(db) for db in databases] == [len(load_migrations())] * 4
    for db in databases:
        await db.close()


async def test_both_databases_have_the_same_tables_columns_and_indexes(db: Database, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    file = await open_database("", tmp_path / "other")

    for question in (TABLES, INDEXES):
        columns, file_columns = await select(db, question), await select(file, question)
        assert [row[:2] for row in columns] == [row[:2] for row in file_columns]
    await file.close()


async def test_times_and_revisions_are_64_bits_wide(db: Database) -> None:
    """INTEGER has 32 bits on PostgreSQL, too few for microseconds."""
    narrow = [
        (table, column)
        for table, column, kind in await select(db, TABLES)
        if str(column).endswith(("_at", "_until", "revision")) and kind != "bigint"
    ]

    assert narrow == []
