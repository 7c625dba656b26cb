"""Processes that write to one SQLite file take turns, and the write-ahead log stays small meanwhile."""

import asyncio
import fcntl
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pileus.domain.errors import Unavailable
from pileus.server.startup import StartError, explain_start_errors
from pileus.settings import Settings
from pileus.store import counters, write_turns
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database
from pileus.store.serial_executor import SerialExecutor
from pileus.store.write_ahead_log import LARGEST_SIZE
from pileus.store.write_turns import WriteTurn
from tests.file_modes import mode_of

WRITES = 150
FEWEST_TURNS = 100
"""A process that waits gets the next turn. Each process had a few turns of all its writes without this."""
WRITER = """
import asyncio, os, sys
from pathlib import Path
from pileus.store.schema import open_database

async def put(tx):
    await tx.run("INSERT INTO turns (process) VALUES (:process)", process=os.getpid())

async def main():
    db = await open_database("", Path(sys.argv[1]))
    print("open", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        await db.write(put)
    await db.close()

asyncio.run(main())
"""
HOLDER = """
import asyncio, sys
from pathlib import Path
from pileus.store.serial_executor import SerialExecutor
from pileus.store.write_turns import WriteTurn

turn = WriteTurn(Path(sys.argv[1]), SerialExecutor("turn"))
asyncio.run(turn.take())
print("taken", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database("", tmp_path)
    yield database
    await database.close()


def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process and wait until it has printed its first line."""
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def a_turn(tmp_path: Path) -> WriteTurn:
    return WriteTurn(tmp_path / "x.db", SerialExecutor("turn"))


class RecordingExecutor(SerialExecutor):
    """Keeps the futures of its functions."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.started: list[asyncio.Future[Any]] = []

    def start(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run a function, and keep its future."""
        self.started.append(super().start(function, *arguments))
        return self.started[-1]


async def wait_until_locked(file: Path) -> None:
    """Return when somebody has the lock of a file."""
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0)
            if is_locked(file):
                return


def is_locked(file: Path) -> bool:
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def increment(tx: Tx) -> int:
    return await counters.increment(tx, "ours")


async def test_two_processes_that_write_all_the_time_alternate_and_lose_nothing(db: Database, tmp_path: Path) -> None:
    await db.write(lambda tx: tx.run("CREATE TABLE turns (number INTEGER PRIMARY KEY, process INTEGER)"))
    processes = [start(WRITER, str(tmp_path), str(WRITES)) for _ in range(2)]

    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)

    with closing(sqlite3.connect(tmp_path / "pileus.db")) as file:
        writers = [process for (process,) in file.execute("SELECT process FROM turns ORDER BY number")]
    assert sorted(writers) == sorted([process.pid for process in processes] * WRITES)
    assert len(list(groupby(writers))) >= FEWEST_TURNS


async def test_who_releases_the_turn_gets_it_again_only_after_those_who_wait(tmp_path: Path) -> None:
    first, second = a_turn(tmp_path), a_turn(tmp_path)
    order = []

    async def use(turn: WriteTurn, name: str) -> None:
        await turn.take()
        order.append(name)
        turn.release()

    for _ in range(20):
        await first.take()
        waiting = asyncio.create_task(use(second, "second"))
        await wait_until_locked(tmp_path / "x.db.next")
        first.release()
        await use(first, "first")
        await waiting

    assert order == ["second", "first"] * 20
    first.close()
    second.close()


async def test_a_killed_process_gives_up_its_turn(db: Database, tmp_path: Path) -> None:
    holder = start(HOLDER, str(tmp_path / "pileus.db"))

    writing = asyncio.create_task(db.write(increment))
    await wait_until_locked(tmp_path / "pileus.db.next")
    async with db.read() as tx:
        assert await tx.all("SELECT * FROM counters") == [], "reads need no turn"
    assert not writing.done()
    holder.kill()

    assert await writing == 1
    holder.communicate()


async def test_writes_are_refused_while_another_process_keeps_its_turn(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turns, "LONGEST_WAIT", 0.01)
    holder = start(HOLDER, str(tmp_path / "pileus.db"))

    for _ in range(3):
        with pytest.raises(Unavailable):
            await db.write(increment)
    monkeypatch.undo()
    holder.communicate(b"\n")

    assert await db.write(increment) == 1, "a refused write is not done later"


async def test_a_start_is_refused_in_a_sentence_while_another_process_keeps_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turns, "LONGEST_WAIT", 0.01)
    holder = start(HOLDER, str(tmp_path / "pileus.db"))

    with (
        pytest.raises(StartError, match="Another process does not finish"),
        explain_start_errors(Settings(data=tmp_path)),
    ):
        await open_database("", tmp_path)

    holder.communicate(b"\n")


async def test_a_turn_that_comes_too_late_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_turn(tmp_path), a_turn(tmp_path)
    await first.take()
    with monkeypatch.context() as changed:
        changed.setattr(write_turns, "LONGEST_WAIT", 0.01)
        with pytest.raises(Unavailable):
            await second.take()

    first.release()
    await first.take()
    first.release()
    await second.take()
    second.release()

    first.close()
    second.close()


async def test_a_turn_that_is_closed_while_it_waits_touches_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = RecordingExecutor("turn")
    first, second = a_turn(tmp_path), WriteTurn(tmp_path / "x.db", thread)
    await first.take()
    with monkeypatch.context() as changed:
        changed.setattr(write_turns, "LONGEST_WAIT", 0.01)
        with pytest.raises(Unavailable):
            await second.take()

    second.close()
    first.release()

    (waiting,) = thread.started
    assert await waiting is None
    await first.take()
    first.release()
    first.close()


async def test_a_migration_waits_for_its_turn(tmp_path: Path) -> None:
    holder = start(HOLDER, str(tmp_path / "pileus.db"))

    opening = asyncio.create_task(open_database("", tmp_path))
    await wait_until_locked(tmp_path / "pileus.db.next")
    assert not opening.done()
    holder.communicate(b"\n")

    await (await opening).close()


@pytest.mark.usefixtures("db")
def test_the_files_of_the_turn_are_private(tmp_path: Path) -> None:
    assert {mode_of(tmp_path / name) for name in ("pileus.db.turn", "pileus.db.next")} == {0o600}


async def test_lists_that_overlap_without_a_gap_do_not_let_the_log_grow(db: Database, tmp_path: Path) -> None:
    await db.write(lambda tx: tx.run("CREATE TABLE pages (content BLOB)"))
    stopped, sizes = asyncio.Event(), []

    async def read_without_a_gap() -> None:
        async with AsyncExitStack() as current:
            while not stopped.is_set():
                following = AsyncExitStack()
                tx = await following.enter_async_context(db.scan())
                await tx.one("SELECT count(*) FROM counters")
                await current.aclose()
                current.push_async_exit(following)

    reading = asyncio.create_task(read_without_a_gap())
    for _ in range(3 * LARGEST_SIZE >> 20):
        await db.write(lambda tx: tx.run("INSERT INTO pages (content) VALUES (zeroblob(1048576))"))
        sizes.append((tmp_path / "pileus.db-wal").stat().st_size)
    stopped.set()
    await reading

    assert max(sizes) < 2 * LARGEST_SIZE
