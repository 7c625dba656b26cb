"""A changed retention holds for snapshots that are deleted or created at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from pileus.domain.errors import Stale
from pileus.domain.storage.schedules import MINUTE, TimeSpan
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, schedules, snapshots
from tests.domain.builders import a_volume
from tests.tasks.schedules import ScheduleBench


async def keep_longer(tx: Tx) -> None:
    schedule = await schedules.find(tx, "s-1")
    assert schedule is not None
    await schedules.save(tx, schedule, replace(schedule, retention_time=TimeSpan(weeks=1)))


CHANGES: dict[str, Callable[[Tx], Awaitable[None]]] = {
    "retention time": keep_longer,
    "removed schedule": lambda tx: schedules.remove(tx, "s-1"),
    "volume leaves the policy": lambda tx: lifecycle_policies.remove_volumes(tx, 7, ["v-1"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_deletion_that_was_decided_before_a_change_of_retention_is_decided_again(
    schedule_bench: ScheduleBench, change: Callable[[Tx], Awaitable[None]]
) -> None:
    await schedule_bench.add_schedule(a_volume(id="v-1"), retention_time=TimeSpan(hours=3))
    await schedule_bench.run_hours(1)
    (read_before,) = await schedule_bench.snapshots()

    await schedule_bench.bench.db.write(change)

    with pytest.raises(Stale):
        await schedule_bench.bench.db.write(
            lambda tx: snapshots.save(tx, read_before, replace(read_before, status="deleting"))
        )


async def test_a_deletion_that_has_failed_is_not_tried_again_if_the_snapshot_is_to_be_kept(
    schedule_bench: ScheduleBench,
) -> None:
    await schedule_bench.add_schedule(a_volume(id="v-1"))
    await schedule_bench.run_hours(1)
    (snapshot,) = await schedule_bench.snapshots()
    now = schedule_bench.bench.clock()

    await schedule_bench.bench.db.write(lambda tx: schedules.postpone_expiry(tx, snapshot.id, now, now + MINUTE))

    assert [kept.expires_at for kept in await schedule_bench.snapshots()] == [None]


async def test_a_snapshot_that_is_created_while_the_retention_changes_is_kept_as_long_as_the_others(
    schedule_bench: ScheduleBench,
) -> None:
    schedule = await schedule_bench.add_schedule(a_volume(id="v-1"), retention_time=TimeSpan(hours=3))
    db, now = schedule_bench.bench.db, schedule_bench.bench.clock()
    await db.write(lambda tx: schedules.enqueue_due_snapshots(tx, schedule, now))
    has_changed, may_end = asyncio.Event(), asyncio.Event()

    async def change(tx: Tx) -> None:
        await keep_longer(tx)
        await tx.one("SELECT 1")
        has_changed.set()
        await may_end.wait()

    changing = asyncio.create_task(db.write(change))
    await has_changed.wait()
    creating = asyncio.create_task(schedule_bench.scheduler().start_due_tasks())
    # It waits for the change, or ends now.
    await asyncio.wait({creating}, timeout=0.3)
    may_end.set()
    await asyncio.gather(changing, creating)

    (snapshot,) = await schedule_bench.snapshots()
    assert snapshot.expires_at == snapshot.created_at + TimeSpan(weeks=1).microseconds
