"""Jobs that one process at a time does for all servers of a database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pileus.store import leases
from pileus.store.database import Database
from pileus.store.leases import Lease
from pileus.store.schema import open_database
from pileus.tasks.leased_jobs import FORGOTTEN, LEASE_PART, LeasedJobs
from tests.tasks.workers import Clock

LONG = 600.0
AFTER_EXPIRY = round(LONG * LEASE_PART * 1_000_000) + 1


class RecordedJob:
    """A job that notes when it begins and ends."""

    def __init__(self) -> None:
        self.begun, self.ended = 0, asyncio.Event()

    async def __call__(self) -> None:
        """Work until cancelled."""
        self.begun += 1
        self.ended.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


class Process:
    """The jobs of a process, which renews its leases when a test says so."""

    def __init__(self, db: Database, clock: Clock, name: str, lease_seconds: float = LONG, jobs: int = 1) -> None:
        self.all = [RecordedJob() for _ in range(jobs)]
        named = {f"job {number}": job for number, job in enumerate(self.all)}
        self.jobs = LeasedJobs(db, named, name, f"token of {name}", clock, lease_seconds)

    @property
    def job(self) -> RecordedJob:
        """The first job."""
        return self.all[0]

    async def renew(self) -> None:
        """Renew, and let the jobs begin."""
        await self.jobs.renew()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop as at the end of the process."""
        running = asyncio.create_task(self.jobs.run())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.fixture
async def other_db(db: Database, url: str, tmp_path: Path) -> AsyncIterator[Database]:  # noqa: ARG001  # opened first
    """The database as another process opens it."""
    other = await open_database(url, tmp_path)
    yield other
    await other.close()


async def list_leases(db: Database) -> list[Lease]:
    async with db.read() as tx:
        return await leases.list_all(tx)


async def test_one_process_does_a_job_until_its_lease_expires(db: Database, other_db: Database) -> None:
    clock = Clock()
    holder, other = Process(db, clock, "holder"), Process(other_db, clock, "other")
    await holder.renew()
    await other.renew()
    assert (holder.job.begun, other.job.begun) == (1, 0)

    clock.time += AFTER_EXPIRY - 2
    await holder.renew()
    clock.time += AFTER_EXPIRY - 2
    await other.renew()
    assert (holder.job.begun, other.job.begun) == (1, 0)

    clock.time += 2
    await other.renew()
    await holder.renew()
    await holder.job.ended.wait()
    assert (other.job.begun, other.job.ended.is_set()) == (1, False)
    assert [lease.holder for lease in await list_leases(db)] == ["other"]

    clock.time += AFTER_EXPIRY
    await holder.renew()
    assert holder.job.begun == 2
    await holder.stop()
    await other.stop()


async def test_a_stop_ends_the_jobs_and_releases_their_leases(db: Database, other_db: Database) -> None:
    clock = Clock()
    holder, other = Process(db, clock, "holder", jobs=2), Process(other_db, clock, "other", jobs=2)
    await holder.renew()

    await holder.stop()
    await other.renew()

    assert all(job.ended.is_set() for job in holder.all)
    assert [job.begun for job in other.all] == [1, 1]
    await other.stop()
    assert await list_leases(db) == []


async def test_a_job_ends_by_itself_when_its_lease_is_not_renewed_in_time(db: Database) -> None:
    holder = Process(db, Clock(), "holder", lease_seconds=0.05)
    await holder.renew()

    async with asyncio.timeout(30):
        await holder.job.ended.wait()

    await asyncio.sleep(0)
    await holder.renew()
    assert holder.job.begun == 2
    await holder.stop()


async def test_a_renewal_lets_a_job_run_on(db: Database) -> None:
    holder = Process(db, Clock(), "holder", lease_seconds=30)
    await holder.renew()
    (first,) = holder.jobs.running.values()
    before = first.timer.when()

    await holder.renew()

    assert first.timer.when() > before
    assert (holder.job.begun, holder.job.ended.is_set()) == (1, False)
    await holder.stop()


async def test_who_has_no_lease_writes_nothing(db: Database, url: str, tmp_path: Path) -> None:
    commits: list[int] = []
    counted = await open_database(url, tmp_path, lambda writes, _: commits.append(writes))
    clock = Clock()
    holder, other = Process(db, clock, "holder"), Process(counted, clock, "other")
    await holder.renew()
    commits.clear()

    await other.renew()

    assert commits == []
    await holder.stop()
    await counted.close()


async def test_leases_that_nobody_takes_are_removed_after_an_hour(db: Database) -> None:
    clock = Clock()
    former = Lease(name="reconciler of region 9", holder="former", token="former", expires_at=clock.time)
    await db.write(lambda tx: leases.acquire(tx, former, 0))
    process = Process(db, clock, "process")

    clock.time += FORGOTTEN
    await process.renew()
    names = [lease.name for lease in await list_leases(db)]
    clock.time += 1
    await process.renew()

    assert names == ["job 0", "reconciler of region 9"]
    assert [lease.name for lease in await list_leases(db)] == ["job 0"]
    await process.stop()
