"""PostgreSQL: translated statements, and conflicts that SQLite cannot have."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pileus.domain.errors import Unavailable
from pileus.store.database import FOR_CHANGE, FOR_USE, Database, Tx
from pileus.store.postgres import Postgres
from pileus.store.postgres_connections import PostgresConnections
from pileus.store.postgres_dialect import translate_sql_to_postgres
from pileus.store.schema import open_database
from pileus.store.secrets import SecretBox


@pytest.fixture
async def db(postgres: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with a short deadlock timeout."""
    database = await open_database(f"{postgres}?options=-c%20deadlock_timeout%3D30ms", tmp_path)
    yield database
    await database.close()


@pytest.mark.parametrize(
    ("sql", "translated", "names"),
    [
        ("SELECT :a, :b_2, :a", "SELECT $1, $2, $1", ("a", "b_2")),
        ("SELECT CAST(:a AS TEXT), x::bigint", "SELECT CAST($1 AS TEXT), x::bigint", ("a",)),
        ("SELECT 1 WHERE x LIKE '%y'", "SELECT 1 WHERE x LIKE '%y'", ()),
        ("SELECT '12:30', 5 % 2", "SELECT '12:30', 5 % 2", ()),
        (f"SELECT 1 FROM x {FOR_USE}", "SELECT 1 FROM x FOR SHARE", ()),
        (f"SELECT 1 FROM x {FOR_CHANGE}", "SELECT 1 FROM x FOR UPDATE", ()),
    ],
)
def test_statements_are_translated(sql: str, translated: str, names: tuple[str, ...]) -> None:
    assert translate_sql_to_postgres(sql) == (translated.encode(), names)


async def test_a_deadlocked_write_is_retried(db: Database) -> None:
    await db.write(lambda tx: tx.run("INSERT INTO counters (name, value) VALUES ('a', 0), ('b', 0)"))
    both = asyncio.Barrier(2)
    tries = 0

    async def change(*names: str) -> None:
        async def write(tx: Tx) -> None:
            nonlocal tries
            tries += 1
            await tx.run("UPDATE counters SET value = value + 1 WHERE name = :name", name=names[0])
            if tries <= 2:
                await both.wait()
            await tx.run("UPDATE counters SET value = value + 1 WHERE name = :name", name=names[1])

        await db.write(write)

    await asyncio.gather(change("a", "b"), change("b", "a"))

    async with db.read() as tx:
        assert list(await tx.all("SELECT value FROM counters ORDER BY name")) == [(2,), (2,)]
    assert tries >= 3


async def test_a_write_is_retried_when_a_referenced_record_is_deleted(db: Database) -> None:
    """The retry then finds that it is gone."""
    await db.write(lambda tx: tx.run("INSERT INTO clients (id, name, created_at) VALUES (7, 'seven', 0)"))
    tries = 0

    async def add_user(tx: Tx) -> str:
        nonlocal tries
        tries += 1
        if await tx.one("SELECT 1 FROM clients WHERE id = 7") is None:
            return "gone"
        await db.write(lambda other: other.run("DELETE FROM clients WHERE id = 7"))
        await tx.run("INSERT INTO users (id, client_id, email, created_at) VALUES (1, 7, 'a@example.com', 0)")
        return "added"

    assert await db.write(add_user) == "gone"
    assert tries == 2


async def test_an_unreachable_server_is_reported_at_once(tmp_path: Path) -> None:
    db = Postgres("postgresql://nobody@127.0.0.1:9/nothing", SecretBox(tmp_path / "secrets.key"))

    with pytest.raises(Exception, match="refused"):
        await db.migrate([])

    await db.close()


async def test_a_statement_fails_when_its_connection_is_cut_although_the_socket_reports_nothing(postgres: str) -> None:
    connections = PostgresConnections(postgres, 1)
    pooled = await connections.acquire()
    assert pooled.connection is not None
    sleeping = asyncio.create_task(pooled.execute("SELECT pg_sleep(600)"))
    await asyncio.sleep(0)
    # As uvloop does when the server resets the connection.
    asyncio.get_running_loop().remove_reader(pooled.connection.fileno())

    pooled.cut()

    async with asyncio.timeout(30):
        with pytest.raises(Unavailable):
            await sleeping
    connections.release(pooled)
    async with asyncio.timeout(30):
        again = await connections.acquire()
    assert (await again.execute("SELECT 1")).rows == [(1,)]
    connections.release(again)
    await connections.close()
