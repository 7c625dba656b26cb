"""Both databases guarantee atomic and durable writes without lost updates."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict, NotFound, Stale
from pileus.store import counters
from pileus.store.account import clients, projects
from pileus.store.database import ATTEMPTS, Database, Tx
from pileus.store.schema import open_database

COUNT = "SELECT value FROM counters WHERE name = :name"


async def value_of(db: Database, name: str) -> int | None:
    async with db.read() as tx:
        row = await tx.one(COUNT, name=name)
    return None if row is None else int(row[0])


async def put(tx: Tx, name: str, value: int = 1) -> None:
    await tx.run("INSERT INTO counters (name, value) VALUES (:name, :value)", name=name, value=value)


async def add_project(tx: Tx, **changes: object) -> None:
    if not await clients.exists(tx, 1):
        await clients.add(tx, 1, "one", 0)
    await projects.add(tx, replace(Project(id=1, client_id=1, name="p-1", created_at=0), **changes))


async def test_a_write_returns_its_result_and_can_be_read(db: Database) -> None:
    assert await db.write(lambda tx: counters.increment(tx, "ids")) == 1
    assert await db.write(lambda tx: counters.increment(tx, "ids")) == 2

    assert await value_of(db, "ids") == 2


async def test_a_write_sees_its_own_changes_and_others_do_not_yet(db: Database) -> None:
    async def write(tx: Tx) -> tuple[object, object]:
        await put(tx, "own", 7)
        own = await tx.one(COUNT, name="own")
        return own, await value_of(db, "own")

    own, seen_by_others = await db.write(write)

    assert tuple(own) == (7,)  # type: ignore[arg-type]  # a row
    assert seen_by_others is None
    assert await value_of(db, "own") == 7


async def test_a_failed_write_leaves_nothing(db: Database) -> None:
    async def write(tx: Tx) -> None:
        await put(tx, "half")
        raise NotFound("Nothing there")

    with pytest.raises(NotFound, match="Nothing there"):
        await db.write(write)

    assert await value_of(db, "half") is None


async def test_a_failed_write_does_not_affect_concurrent_writes(db: Database) -> None:
    async def write_number(number: int) -> int:
        async def write(tx: Tx) -> int:
            await put(tx, f"n-{number}")
            if number % 3 == 0:
                raise Conflict(f"{number} is not wanted")
            return number

        return await db.write(write)

    answers = await asyncio.gather(*map(write_number, range(60)), return_exceptions=True)

    for number, answer in enumerate(answers):
        assert isinstance(answer, Conflict) if number % 3 == 0 else answer == number
        assert await value_of(db, f"n-{number}") == (None if number % 3 == 0 else 1)


async def test_a_write_returns_after_others_can_see_it(db: Database, url: str, tmp_path: Path) -> None:
    other = await open_database(url, tmp_path)

    async def write_number(number: int) -> int | None:
        await db.write(lambda tx: put(tx, f"seen-{number}"))
        return await value_of(other, f"seen-{number}")

    assert await asyncio.gather(*map(write_number, range(100))) == [1] * 100
    await other.close()


async def test_writes_survive_a_restart(url: str, tmp_path: Path) -> None:
    first = await open_database(url, tmp_path)
    await asyncio.gather(*(first.write(lambda tx, n=number: put(tx, f"kept-{n}")) for number in range(50)))  # type: ignore[misc]
    await first.close()

    second = await open_database(url, tmp_path)

    assert [await value_of(second, f"kept-{number}") for number in range(50)] == [1] * 50
    await second.close()


async def test_a_stale_write_is_retried(db: Database) -> None:
    tries = 0

    async def write(tx: Tx) -> int:
        nonlocal tries
        tries += 1
        await put(tx, "again")
        if tries < 3:
            raise Stale("Somebody was quicker")
        return tries

    assert await db.write(write) == 3
    assert await value_of(db, "again") == 1


async def test_a_write_that_is_always_stale_raises_stale(db: Database) -> None:
    tries = 0

    async def write(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await put(tx, "never")
        raise Stale("Somebody was quicker")

    with pytest.raises(Stale):
        await db.write(write)

    assert tries == ATTEMPTS
    assert await value_of(db, "never") is None


async def test_concurrent_updates_of_one_record_lose_none(db: Database) -> None:
    await db.write(lambda tx: add_project(tx, description="0"))

    async def add_one(tx: Tx) -> None:
        before = await projects.get(tx, 1, 1)
        await projects.save(tx, before, replace(before, description=str(int(before.description or "0") + 1)))

    await asyncio.gather(*(db.write(add_one) for _ in range(40)))

    async with db.read() as tx:
        after = await projects.get(tx, 1, 1)
    assert (after.description, after.revision) == ("40", 41)


async def test_a_unique_violation_retries_the_write(db: Database) -> None:
    """The retry then raises the rule's own error."""
    await db.write(add_project)
    looks = 0

    async def write(tx: Tx) -> None:
        nonlocal looks
        looks += 1
        if looks > 1 and await tx.one("SELECT 1 FROM projects WHERE name = 'p-1'"):
            raise Conflict("The name p-1 is taken")
        await add_project(tx, id=2)

    with pytest.raises(Conflict, match="p-1 is taken"):
        await db.write(write)
    assert looks == 2


async def test_a_not_null_violation_is_not_retried(db: Database) -> None:
    tries = 0

    async def write(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await tx.run("INSERT INTO counters (name, value) VALUES ('x', NULL)")

    with pytest.raises(Exception, match=r"(?i)not.null") as failure:
        await db.write(write)
    assert not isinstance(failure.value, Conflict)
    assert tries == 1


async def test_a_foreign_key_violation_is_no_conflict(db: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key") as failure:
        await db.write(lambda tx: clients.add_user(tx, 1, 4711, "nobody@example.com", 0))
    assert not isinstance(failure.value, Conflict)


async def test_a_scan_reads_one_snapshot_while_others_write(db: Database) -> None:
    await db.write(lambda tx: put(tx, "moment", 1))

    async with db.scan() as tx:
        before = await tx.one(COUNT, name="moment")
        await db.write(lambda tx: counters.increment(tx, "moment"))
        after = await tx.one(COUNT, name="moment")
        rows = await tx.all(COUNT, name="moment")

    assert (before, after, list(rows)) == ((1,), (1,), [(1,)])
    assert await value_of(db, "moment") == 2


async def test_more_scans_than_readers_take_turns(db: Database) -> None:
    await db.write(lambda tx: put(tx, "turn", 5))

    async def look() -> object:
        async with db.scan() as tx:
            return await tx.one(COUNT, name="turn")

    assert await asyncio.gather(*(look() for _ in range(60))) == [(5,)] * 60


async def select_one(db: Database, sql: str) -> object:
    async with db.scan() as tx:
        return await tx.one(sql)


async def test_a_failed_scan_returns_its_reader(db: Database) -> None:
    for _ in range(40):
        with pytest.raises(Exception, match="nowhere"):
            await select_one(db, "SELECT 1 FROM nowhere")

    assert await select_one(db, "SELECT 1") == (1,)


async def test_a_cancelled_writer_does_not_affect_others(db: Database) -> None:
    leaving = [asyncio.create_task(db.write(lambda tx, n=n: put(tx, f"gone-{n}"))) for n in range(20)]  # type: ignore[misc]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)

    assert await db.write(lambda tx: counters.increment(tx, "after")) == 1


async def test_a_statement_returns_the_number_of_affected_rows(db: Database) -> None:
    async def write(tx: Tx) -> list[int]:
        await put(tx, "a")
        await put(tx, "b")
        return [
            await tx.run("UPDATE counters SET value = 9"),
            await tx.run("DELETE FROM counters WHERE name = 'a'"),
            await tx.run("DELETE FROM counters WHERE name = 'a'"),
        ]

    assert await db.write(write) == [2, 1, 0]


async def test_each_commit_is_reported_with_its_number_of_writes(url: str, tmp_path: Path) -> None:
    reports: list[tuple[int, float]] = []
    db = await open_database(url, tmp_path, lambda writes, seconds: reports.append((writes, seconds)))

    await asyncio.gather(*(db.write(lambda tx: counters.increment(tx, "reports")) for _ in range(30)))
    await db.close()

    assert sum(writes for writes, _ in reports) >= 30
    assert all(writes > 0 and seconds >= 0 for writes, seconds in reports)


async def test_a_closed_database_raises_instead_of_waiting(url: str, tmp_path: Path) -> None:
    db = await open_database(url, tmp_path)
    await db.write(lambda tx: put(tx, "last"))
    await db.close()

    with pytest.raises(Exception, match=r"(?i)closed"):
        async with asyncio.timeout(30):
            await db.write(lambda tx: put(tx, "late"))
