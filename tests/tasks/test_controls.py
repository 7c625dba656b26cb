"""Controls: how a change by one process reaches all others."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from pileus.domain.errors import Unavailable
from pileus.store import controls
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database
from pileus.tasks.controls import POLL_SECONDS, SETTLE_SECONDS, Controls


class KeptText:
    """The control `text` as a process keeps it; `changed` is set at each read."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.reads = 0
        self.changed = asyncio.Event()

    async def read(self, tx: Tx) -> None:
        """Read the control."""
        self.text = await controls.find(tx, "text", str)
        self.reads += 1
        self.changed.set()


@pytest.fixture
async def other_db(db: Database, url: str, tmp_path: Path) -> AsyncIterator[Database]:  # noqa: ARG001  # opened first
    """The database as another process opens it."""
    other = await open_database(url, tmp_path)
    yield other
    await other.close()


async def start(db: Database, *, is_shared: bool = False) -> tuple[Controls, KeptText, list[float]]:
    """Return the controls of a new process, what it keeps, and the pauses that it makes."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    started, kept = Controls(db, is_shared=is_shared, sleep=pause), KeptText()
    started.add_reader(kept.read)
    await started.refresh()
    return started, kept, pauses


async def test_a_change_holds_at_once_where_it_is_made_and_after_a_restart(db: Database) -> None:
    first, kept, pauses = await start(db)

    await first.change(lambda tx: controls.save(tx, "text", "set"))
    _, kept_later, _ = await start(db)

    assert (kept.text, kept_later.text, pauses) == ("set", "set", [])


async def test_another_process_follows_each_change(db: Database, other_db: Database) -> None:
    first, _, pauses = await start(db, is_shared=True)
    other, kept, other_pauses = await start(other_db, is_shared=True)
    following = asyncio.create_task(other.run())

    for text, work in (
        ("one", partial(controls.save, name="text", value="one")),
        (None, partial(controls.remove, name="text")),
    ):
        kept.changed.clear()
        await first.change(work)
        async with asyncio.timeout(10):
            await kept.changed.wait()
        assert kept.text == text
    following.cancel()

    assert pauses == [SETTLE_SECONDS] * 2
    assert set(other_pauses) == {POLL_SECONDS}
    assert 2 * POLL_SECONDS < SETTLE_SECONDS


async def test_without_a_change_nothing_is_read_again(db: Database) -> None:
    first, kept, _ = await start(db)
    await first.change(lambda tx: controls.save(tx, "text", "set"))

    await first.refresh()

    assert kept.reads == 2


async def test_a_change_that_fails_changes_nothing(db: Database) -> None:
    first, kept, _ = await start(db)

    async def fail(tx: Tx) -> None:
        await controls.save(tx, "text", "half")
        raise Unavailable("no")

    with pytest.raises(Unavailable):
        await first.change(fail)
    await first.refresh()

    assert (kept.text, kept.reads) == (None, 1)


async def test_a_read_that_fails_is_repeated(db: Database) -> None:
    first, kept, _ = await start(db)
    failures = [Unavailable("away")]

    async def fail_once(_: Tx) -> None:
        if failures:
            raise failures.pop()

    first.add_reader(fail_once)
    with pytest.raises(Unavailable):
        await first.change(lambda tx: controls.save(tx, "text", "set"))
    await first.refresh()

    assert (kept.text, kept.reads) == ("set", 3)


async def test_simultaneous_changes_all_hold(db: Database) -> None:
    first, kept, _ = await start(db)

    await asyncio.gather(*(first.change(partial(controls.save, name=f"n{n}", value=n)) for n in range(5)))
    await first.change(partial(controls.save, name="text", value="last"))

    async with db.read() as tx:
        numbers = [await controls.find(tx, f"n{number}", int) for number in range(5)]
    assert (kept.text, numbers) == ("last", [0, 1, 2, 3, 4])
