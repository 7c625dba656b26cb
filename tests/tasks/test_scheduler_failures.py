"""A schedule or snapshot that fails unexpectedly is logged once, waits, and holds up no other one."""

import pytest
from msgspec.structs import replace

from pileus.domain.storage.schedules import MINUTE, Cron, Schedule
from pileus.store.database import Tx
from pileus.store.storage import schedules
from pileus.tasks.storage.scheduler import RETRY_DELAY
from tests.domain.builders import NOW, a_volume
from tests.tasks.schedules import ScheduleBench

UNKNOWN_ZONE = Cron(minute="0", timezone="Mars/Olympus")


async def add_broken_schedule(schedule_bench: ScheduleBench, schedule: Schedule, *, due_at: int | None) -> None:
    """Save a schedule in a time zone that this host lacks, and a snapshot that waits for it, if `due_at` is given."""
    broken = replace(schedule, id="s-0", timing=UNKNOWN_ZONE, next_at=NOW + MINUTE if due_at is None else None)

    async def write(tx: Tx) -> None:
        await schedules.add(tx, broken)
        if due_at is not None:
            await schedules.enqueue_due_snapshots(tx, broken, due_at)

    await schedule_bench.bench.db.write(write)


async def test_a_schedule_that_fails_holds_up_no_other_one(
    schedule_bench: ScheduleBench, caplog: pytest.LogCaptureFixture
) -> None:
    await add_broken_schedule(schedule_bench, await schedule_bench.add_schedule(a_volume()), due_at=None)

    await schedule_bench.run_hours(1)
    for _ in range(3):
        await schedule_bench.run_due()

    assert await schedule_bench.creation_hours() == [1]
    (line,) = [record for record in caplog.records if record.exc_info]
    assert line.__dict__["item"] == "s-0"
    async with schedule_bench.bench.db.read() as tx:
        (broken,) = await schedules.TABLE.find(tx, "id = :id", id="s-0")
    assert broken.next_at == schedule_bench.bench.clock() + RETRY_DELAY


async def test_a_snapshot_that_fails_is_tried_again_later(
    schedule_bench: ScheduleBench, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = await schedule_bench.add_schedule(a_volume())
    await add_broken_schedule(schedule_bench, schedule, due_at=NOW)

    await schedule_bench.run_hours(1)
    await schedule_bench.run_due()
    failures = [record for record in caplog.records if record.exc_info]
    assert (await schedule_bench.creation_hours(), len(failures)) == ([1], 1)

    async def mend(tx: Tx) -> None:
        broken = await schedules.find(tx, "s-0")
        assert broken is not None
        await schedules.save(tx, broken, replace(broken, timing=Cron(minute="0")))

    await schedule_bench.bench.db.write(mend)
    assert await schedule_bench.run_due() == 0
    await schedule_bench.run_hours(1)
    assert await schedule_bench.creation_hours() == [1, 2, 2]


async def test_a_snapshot_whose_deletion_fails_holds_up_no_other_one(
    schedule_bench: ScheduleBench, caplog: pytest.LogCaptureFixture
) -> None:
    await schedule_bench.add_schedule(a_volume(id="v-1"), a_volume(id="v-2"))
    await schedule_bench.run_hours(1)
    first, second = await schedule_bench.snapshots()
    schedule_bench.bench.clock.advance(MINUTE)

    async def break_and_expire(tx: Tx) -> None:
        await tx.run("UPDATE schedules SET timing = 'broken', next_at = NULL")
        await tx.run("UPDATE snapshots SET schedule_id = NULL WHERE id = :id", id=second.id)
        for snapshot in (first, second):
            await schedules.set_snapshot_expiry(tx, snapshot.id, NOW)

    await schedule_bench.bench.db.write(break_and_expire)
    for _ in range(3):
        await schedule_bench.run_due()

    async with schedule_bench.bench.db.read() as tx:
        rows = await tx.all("SELECT id, expires_at FROM snapshots")
    assert [tuple(row) for row in rows] == [(first.id, schedule_bench.bench.clock() + RETRY_DELAY)]
    assert len([record for record in caplog.records if record.exc_info]) == 1
