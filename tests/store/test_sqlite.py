"""SQLite: shared commits, and readers that never wait."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pileus.domain.errors import Unavailable
from pileus.store import counters, sqlite
from pileus.store.count_changes import CountKey
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database
from pileus.store.secrets import SecretBox
from pileus.store.sqlite import LARGEST_BATCH, Sqlite
from pileus.store.sqlite_transactions import connect
from pileus.store.write_batches import SAVEPOINT_SECONDS

BatchSizes = list[int]


@pytest.fixture
def batch_sizes() -> BatchSizes:
    """The number of writes in each commit."""
    return []


@pytest.fixture
async def db(tmp_path: Path, batch_sizes: BatchSizes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database in a file that records its batch sizes. No batch ends because the machine is slow."""
    monkeypatch.setattr(sqlite, "BATCH_SECONDS", 60.0)
    database = await open_database("", tmp_path, lambda writes, _: batch_sizes.append(writes))
    batch_sizes.clear()
    yield database
    await database.close()


async def put(tx: Tx, name: str) -> None:
    await tx.run("INSERT INTO counters (name, value) VALUES (:name, 1)", name=name)


async def count(db: Database) -> int:
    async with db.read() as tx:
        row = await tx.one("SELECT count(*) FROM counters")
    return int(row[0]) if row else 0


def test_commits_are_synced_and_the_journal_is_a_wal(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")

    settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    foreign_keys = connection.execute("PRAGMA foreign_keys").fetchone()[0]
    connection.close()

    assert settings == {"journal_mode": "wal", "synchronous": 2}
    assert foreign_keys == 1


async def test_waiting_writes_share_a_commit(db: Database, batch_sizes: BatchSizes) -> None:
    await asyncio.gather(*(db.write(lambda tx, n=n: put(tx, f"n-{n}")) for n in range(100)))  # type: ignore[misc]

    assert batch_sizes == [100]


async def test_a_commit_has_a_largest_batch(db: Database, batch_sizes: BatchSizes) -> None:
    waiting = 2 * LARGEST_BATCH + 10

    await asyncio.gather(*(db.write(lambda tx, n=n: put(tx, f"n-{n}")) for n in range(waiting)))  # type: ignore[misc]

    assert batch_sizes == [LARGEST_BATCH, LARGEST_BATCH, 10]
    assert await count(db) == waiting


async def test_writes_during_a_commit_share_the_next_one(db: Database, batch_sizes: BatchSizes) -> None:
    async def follow_up(number: int) -> None:
        await db.write(lambda tx: put(tx, f"first-{number}"))
        await db.write(lambda tx: put(tx, f"second-{number}"))

    await asyncio.gather(*map(follow_up, range(10)))

    assert sum(batch_sizes) == 20
    assert len(batch_sizes) < 20


async def test_a_failed_write_does_not_fail_its_batch(db: Database, batch_sizes: BatchSizes) -> None:
    await db.write(lambda tx: put(tx, "taken"))
    batch_sizes.clear()

    answers = await asyncio.gather(
        *(db.write(lambda tx, n=name: put(tx, n)) for name in ("a", "taken", "b")),  # type: ignore[misc]
        return_exceptions=True,
    )

    assert [answer is None for answer in answers] == [True, False, True]
    assert batch_sizes == [3]
    assert await count(db) == 3


@pytest.fixture
def savepoints(db: Database) -> list[str]:
    """The statements about savepoints that the writer executes."""
    statements: list[str] = []
    assert isinstance(db, Sqlite)
    db._writer.set_trace_callback(  # noqa: SLF001  # SQLite says so of a connection only
        lambda statement: statements.append(statement) if " one" in statement else None
    )
    return statements


async def refuse(_: Tx) -> None:
    raise ValueError


async def put_and_fail(tx: Tx) -> None:
    tx.count_changes.add(CountKey("tenant", 1, 1, "servers", ""), 1)
    await put(tx, "failed")
    raise ValueError


async def test_a_write_that_fails_before_its_first_change_needs_no_savepoint(
    db: Database, savepoints: list[str]
) -> None:
    works = (lambda tx: put(tx, "a"), refuse, lambda tx: put(tx, "b"))

    answers = await asyncio.gather(*map(db.write, works), return_exceptions=True)

    assert [answer is None for answer in answers] == [True, False, True]
    assert (await count(db), savepoints) == (2, [])


async def test_the_writes_of_a_batch_run_again_when_one_fails_after_a_change(
    db: Database, batch_sizes: BatchSizes, savepoints: list[str]
) -> None:
    runs: list[str] = []

    async def put_and_note(tx: Tx, name: str) -> str:
        runs.append(name)
        await put(tx, name)
        return name

    works = (lambda tx: put_and_note(tx, "a"), put_and_fail, lambda tx: put_and_note(tx, "b"))

    first, failed, last = await asyncio.gather(*map(db.write, works), return_exceptions=True)

    assert (first, type(failed), last) == ("a", ValueError, "b")
    assert runs == ["a", "a", "b"]
    assert (batch_sizes, await count(db)) == ([3], 2)
    assert savepoints.count("SAVEPOINT one") == 2
    async with db.read() as tx:
        assert await tx.all("SELECT * FROM resource_counts") == []


async def test_writes_have_savepoints_for_a_while_after_a_failure(
    db: Database, savepoints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011  # its own
            await db.write(put_and_fail)
    careful = savepoints.count("SAVEPOINT one")
    later = time.monotonic() + SAVEPOINT_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    await db.write(lambda tx: put(tx, "later"))

    assert (careful, savepoints.count("SAVEPOINT one"), await count(db)) == (1, 1, 1)


async def test_an_error_that_rolls_back_a_batch_is_raised_to_all_its_writers(
    db: Database, batch_sizes: BatchSizes
) -> None:
    """As when the disk is full: SQLite rolls the transaction back itself."""
    await db.write(_add_rollback_trigger)
    batch_sizes.clear()

    *failed, later = await asyncio.gather(
        *(db.write(lambda tx, n=name: put(tx, n)) for name in ("a", "poison", "b")),  # type: ignore[misc]
        return_exceptions=True,
    )

    assert [isinstance(answer, sqlite3.Error) for answer in failed] == [True, True], failed
    # The write that had not begun is part of the next batch.
    assert (later, await count(db), batch_sizes) == (None, 1, [1])


async def test_counts_of_work_that_goes_on_after_a_rollback_are_not_written(db: Database) -> None:
    await db.write(_add_rollback_trigger)

    async def go_on(tx: Tx) -> None:
        tx.count_changes.add(CountKey("tenant", 1, 1, "servers", ""), 1)
        with suppress(sqlite3.Error):
            await put(tx, "poison")

    with pytest.raises(Unavailable):
        await db.write(go_on)
    async with db.read() as tx:
        assert await tx.all("SELECT * FROM resource_counts") == []


async def _add_rollback_trigger(tx: Tx) -> None:
    await tx.run(
        "CREATE TRIGGER trap BEFORE INSERT ON counters WHEN new.name = 'poison' "
        "BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END"
    )


class KilledError(BaseException):
    """An error that only the outermost handlers catch."""


@pytest.mark.parametrize("error", [KilledError, asyncio.CancelledError])
async def test_a_write_that_raises_anything_fails_alone(db: Database, error: type[BaseException]) -> None:
    async def fail(tx: Tx) -> None:
        await put(tx, "failed")
        raise error

    failed, saved = await asyncio.gather(db.write(fail), db.write(lambda tx: put(tx, "saved")), return_exceptions=True)
    await db.write(lambda tx: put(tx, "later"))

    assert (type(failed), saved) == (error, None)
    assert await count(db) == 2


async def test_a_writer_that_ends_fails_its_batch_and_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ends = [KilledError()]

    def end_writer_once(_: int, __: float) -> None:
        if ends:
            raise ends.pop()

    database = await open_database("", tmp_path)
    await database.close()
    database = Sqlite(tmp_path / "pileus.db", SecretBox(tmp_path / "secrets.key"), end_writer_once)
    with pytest.raises(Unavailable, match="has ended"):
        await database.write(lambda tx: put(tx, "first"))
    await database.write(lambda tx: put(tx, "second"))

    assert "The writer of the database has ended" in caplog.text
    await database.close()


async def test_writers_wait_for_a_writing_process_and_readers_do_not(db: Database, tmp_path: Path) -> None:
    other = connect(tmp_path / "pileus.db")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO counters (name, value) VALUES ('theirs', 1)")

    writing = asyncio.create_task(db.write(lambda tx: counters.increment(tx, "ours")))
    async with asyncio.timeout(30):
        assert await count(db) == 0
        async with db.scan() as tx:
            assert await tx.all("SELECT name FROM counters") == []
    assert not writing.done()

    other.execute("COMMIT")
    other.close()
    assert await writing == 1
    assert await count(db) == 2


async def test_lookups_beside_others_see_the_write_that_they_have_waited_for(db: Database) -> None:
    async def write_and_look(name: str) -> bool:
        await db.write(lambda tx: put(tx, name))
        async with db.read() as tx:
            return await tx.one("SELECT 1 FROM counters WHERE name = :name", name=name) is not None

    async def look_all_the_time() -> None:
        while True:
            await count(db)
            await asyncio.sleep(0)

    others = [asyncio.create_task(look_all_the_time()) for _ in range(3)]
    seen = [await asyncio.gather(*(write_and_look(f"n-{turn}-{n}") for n in range(5))) for turn in range(20)]
    for task in others:
        task.cancel()

    assert seen == [[True] * 5] * 20


async def test_two_databases_on_one_file_lose_no_write(db: Database, tmp_path: Path) -> None:
    other = await open_database("", tmp_path)

    await asyncio.gather(
        *(where.write(lambda tx: counters.increment(tx, "shared")) for where in (db, other) for _ in range(50))
    )
    await other.close()

    async with db.read() as tx:
        assert await counters.increment(tx, "shared") == 101


async def test_many_processes_can_open_a_new_file_at_once(tmp_path: Path) -> None:
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


async def test_close_waits_for_queued_writes_and_can_be_repeated(tmp_path: Path) -> None:
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


async def test_an_unused_database_can_be_closed(tmp_path: Path) -> None:
    await Sqlite(tmp_path / "idle.db", SecretBox(tmp_path / "secrets.key")).close()
