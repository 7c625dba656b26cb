"""Statements that share a round trip to PostgreSQL: each has its own outcome, and none is lost or made twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bench.postgres_wire import record_statements

from pileus.domain.errors import Invalid
from pileus.store.database import Database, Tx
from pileus.store.postgres import Postgres
from pileus.store.postgres_pipeline import MOST_STATEMENTS
from pileus.store.schema import open_database
from pileus.store.secrets import SecretBox
from tests.chaos.proxies import proxy_of

CAST = "SELECT CAST(CAST(:value AS TEXT) AS INTEGER)"
DIVIDE = "SELECT 12 / CAST(:divisor AS INTEGER)"
INSERT = "INSERT INTO counters (name, value) VALUES (:name, 1)"


@pytest.fixture
async def narrow(postgres: str, tmp_path: Path) -> AsyncIterator[Postgres]:
    """A database with one connection."""
    db = Postgres(postgres, SecretBox(tmp_path / "secrets.key"), connections=1)
    yield db
    await db.close()


async def read_one(db: Database, sql: str, **values: Any) -> Any:
    async with db.read() as tx:
        row = await tx.one(sql, **values)
    return row and row[0]


async def test_lookups_at_the_same_time_share_a_batch(postgres: str, tmp_path: Path) -> None:
    with record_statements(postgres) as (recorder, url):
        db = await open_database(url, tmp_path)
        await read_one(db, CAST, value="1")
        recorder.clear()
        outcomes = await asyncio.gather(*(read_one(db, CAST, value=str(number)) for number in range(5)))
        # On a busy machine, a connection of its own asks whether the server answers.
        clients = [client for client in recorder.clients if any("CAST" in text for text, _ in client.statements)]
        await db.close()

    assert outcomes == [0, 1, 2, 3, 4]
    assert [(len(client.statements), client.batches) for client in clients] == [(5, 1)]


async def test_lookups_at_the_same_time_share_no_error(narrow: Postgres) -> None:
    values = ["5", "no number", "text\0", "7"]

    outcomes = await asyncio.gather(*(read_one(narrow, CAST, value=value) for value in values), return_exceptions=True)

    assert [outcomes[0], outcomes[3]] == [5, 7]
    assert [type(outcome) for outcome in outcomes[1:3]] == [Invalid, Invalid]


async def test_a_lookup_that_is_refused_before_it_is_sent_leaves_its_connection_usable(narrow: Postgres) -> None:
    process = await read_one(narrow, "SELECT pg_backend_pid()")

    with pytest.raises(Invalid):
        await read_one(narrow, CAST, value="text\0")

    assert await read_one(narrow, "SELECT pg_backend_pid()") == process


async def test_a_statement_that_fails_when_it_is_prepared_works_afterwards(narrow: Postgres) -> None:
    for _ in range(3):
        with pytest.raises(Invalid):
            await read_one(narrow, DIVIDE, divisor=0)

    assert [await read_one(narrow, DIVIDE, divisor=divisor) for divisor in (2, 3, 4)] == [6, 4, 3]


async def test_more_statements_than_a_connection_keeps_have_right_answers(narrow: Postgres) -> None:
    for number in range(MOST_STATEMENTS + 20):
        answers = [await read_one(narrow, f"SELECT {number} + CAST(:more AS INTEGER)", more=more) for more in range(4)]
        assert answers == [number + more for more in range(4)]

    assert await read_one(narrow, "SELECT count(*) FROM pg_prepared_statements") <= MOST_STATEMENTS


async def test_a_cancelled_write_leaves_nothing_behind(narrow: Postgres) -> None:
    has_begun = asyncio.Event()

    async def write(tx: Tx) -> None:
        await tx.run(INSERT, name="cancelled")
        has_begun.set()
        await tx.one("SELECT pg_sleep(60)")

    writing = asyncio.create_task(narrow.write(write))
    await has_begun.wait()
    await asyncio.wait({writing}, timeout=0)
    writing.cancel()
    await asyncio.wait({writing})

    assert await read_one(narrow, "SELECT count(*) FROM counters") == 0


async def test_a_write_of_one_statement_is_repeated_when_its_connection_breaks(postgres: str, tmp_path: Path) -> None:
    tries = 0

    async def write(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await tx.send(INSERT, name="alone")

    async with proxy_of(postgres) as (proxy, url):
        db = await open_database(url, tmp_path)
        proxy.pattern, proxy.breaks = b"alone", 1
        await db.write(write)

        assert await read_one(db, "SELECT value FROM counters WHERE name = 'alone'") == 1
        await db.close()
    assert tries == 2


async def test_a_statement_that_is_sent_later_fails_the_whole_write(narrow: Postgres) -> None:
    async def write(tx: Tx) -> None:
        await tx.send(INSERT, name="first")
        await tx.send("INSERT INTO counters (name, value) VALUES (:name, NULL)", name="second")

    with pytest.raises(Exception, match="null value"):
        await narrow.write(write)

    assert await read_one(narrow, "SELECT count(*) FROM counters") == 0


async def test_the_question_whether_the_server_answers_ends_when_the_database_is_closed(
    postgres: str, tmp_path: Path
) -> None:
    async with proxy_of(postgres) as (proxy, url):
        db = Postgres(url, SecretBox(tmp_path / "secrets.key"), connections=1)
        await read_one(db, CAST, value="1")
        proxy.hold(b"user\0")  # The next connection is the question's.
        reading = asyncio.create_task(read_one(db, "SELECT pg_sleep(60)"))
        await proxy.is_holding.wait()
        await db.close()

        assert [task for task in asyncio.all_tasks() if task.get_name() == "postgres-ping"] == []
        reading.cancel()
        await asyncio.wait({reading})
