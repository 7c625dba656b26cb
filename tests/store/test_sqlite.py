"""SQLite: commits that are shared, and readers that never wait."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pileus.domain.errors import Unavailable
from pileus.store import counters
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database
from pileus.store.sqlite import LARGEST_BATCH, Sqlite, connect

Batches = list[int]


@pytest.fixture
def batch_sizes() -> Batches:
    """How many writes each commit carried."""
    return []


@pytest.fixture
async def db(tmp_path: Path, batches: Batches) -> AsyncIterator[Database]:
    """A file, whose commits are counted."""
    database = await open_database("", tmp_path, lambda writes, _: batches.append(writes))
    yield database
    await database.close()


async def put(tx: Tx, name: str) -> None:
    await tx.run("INSERT INTO counters (name, value) VALUES (:name, 1)", name=name)


async def count(db: Database) -> int:
    async with db.read() as tx:
        row = await tx.one("SELECT count(*) FROM counters")
    return int(row[0]) if row else 0


def test_every_commit_is_synced_and_readers_have_a_log_of_their_own(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")

    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    foreign_keys = connection.execute("PRAGMA foreign_keys").fetchone()[0]
    connection.close()

    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert foreign_keys == 1


async def test_what_waits_shares_a_commit(db: Database, batches: Batches) -> None:
    await asyncio.gather(*(db.write(lambda tx, n=n: put(tx, f"n-{n}")) for n in range(100)))  # type: ignore[misc]

    assert batches == [100]


async def test_a_commit_is_not_shared_by_more_than_it_can_bear(db: Database, batches: Batches) -> None:
    waiting = 2 * LARGEST_BATCH + 10

    await asyncio.gather(*(db.write(lambda tx, n=n: put(tx, f"n-{n}")) for n in range(waiting)))  # type: ignore[misc]

    assert batches == [LARGEST_BATCH, LARGEST_BATCH, 10]
    assert await count(db) == waiting


async def test_writes_that_come_during_a_commit_gather_for_the_next(db: Database, batches: Batches) -> None:
    async def follow_up(number: int) -> None:
        await db.write(lambda tx: put(tx, f"first-{number}"))
        await db.write(lambda tx: put(tx, f"second-{number}"))

    await asyncio.gather(*map(follow_up, range(10)))

    assert sum(batches) == 20
    assert len(batches) < 20


async def test_of_those_that_share_a_commit_only_the_failing_one_fails(db: Database, batches: Batches) -> None:
    await db.write(lambda tx: put(tx, "taken"))
    batches.clear()

    answers = await asyncio.gather(
        *(db.write(lambda tx, n=name: put(tx, n)) for name in ("a", "taken", "b")),  # type: ignore[misc]
        return_exceptions=True,
    )

    assert [answer is None for answer in answers] == [True, False, True]
    assert batches == [3]
    assert await count(db) == 3


async def test_a_failure_that_undoes_a_whole_commit_is_told_to_all_and_passes(db: Database, batches: Batches) -> None:
    """As when the disk is full: SQLite then rolls everything back by itself."""
    await db.write(_add_rollback_trigger)
    batches.clear()

    answers = await asyncio.gather(
        *(db.write(lambda tx, n=name: put(tx, n)) for name in ("a", "poison", "b")),  # type: ignore[misc]
        return_exceptions=True,
    )

    assert all(isinstance(answer, sqlite3.Error) for answer in answers), answers
    assert await count(db) == 0
    assert batches == []
    await db.write(lambda tx: put(tx, "a"))
    assert await count(db) == 1


async def _add_rollback_trigger(tx: Tx) -> None:
    await tx.run(
        "CREATE TRIGGER trap BEFORE INSERT ON counters WHEN new.name = 'poison' "
        "BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END"
    )


async def test_readers_do_not_wait_for_another_process_that_writes_and_writers_do(db: Database, tmp_path: Path) -> None:
    other = connect(tmp_path / "pileus.db")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO counters (name, value) VALUES ('theirs', 1)")

    writing = asyncio.create_task(db.write(lambda tx: counters.increment(tx, "ours")))
    async with asyncio.timeout(5):
        assert await count(db) == 0
        async with db.scan() as tx:
            assert await tx.all("SELECT name FROM counters") == []
    assert not writing.done()

    other.execute("COMMIT")
    other.close()
    assert await writing == 1
    assert await count(db) == 2


async def test_two_databases_on_one_file_lose_no_write(db: Database, tmp_path: Path) -> None:
    other = await open_database("", tmp_path)

    await asyncio.gather(
        *(where.write(lambda tx: counters.increment(tx, "shared")) for where in (db, other) for _ in range(50))
    )
    await other.close()

    async with db.read() as tx:
        assert await counters.increment(tx, "shared") == 101


async def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def open_it() -> str:
        barrier.wait()
        connection = connect(tmp_path / "new.db")
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        connection.close()
        return mode

    with ThreadPoolExecutor(8) as threads:
        modes = [future.result() for future in [threads.submit(open_it) for _ in range(8)]]

    assert modes == ["wal"] * 8


async def test_closing_waits_for_what_is_queued_and_may_be_repeated(tmp_path: Path) -> None:
    db = await open_database("", tmp_path)
    writing = [asyncio.create_task(db.write(lambda tx, n=n: put(tx, f"n-{n}"))) for n in range(20)]  # type: ignore[misc]
    await asyncio.sleep(0)

    await db.close()
    await db.close()

    assert all(task.done() and task.exception() is None for task in writing)
    with pytest.raises(Unavailable):
        await db.write(lambda tx: put(tx, "late"))
    again = await open_database("", tmp_path)
    assert await count(again) == 20
    await again.close()


async def test_a_database_that_was_never_written_to_can_be_closed(tmp_path: Path) -> None:
    await Sqlite(tmp_path / "idle.db").close()
