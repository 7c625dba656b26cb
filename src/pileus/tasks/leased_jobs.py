"""Jobs that one process at a time does for all servers of the database, such as reconciling a region.

Each job has a lease. All processes look at the leases periodically: the holder extends its own, and the others take
those that have expired. A process that cannot extend a lease in time, for example because its database is away, ends
the job when the lease expires.

Two processes can do a job at the same moment when their clocks differ, or when one of them was stopped. So a job must
be safe to do twice; a lease saves work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.domain.errors import Unavailable
from pileus.store import leases
from pileus.store.database import Database, Tx
from pileus.store.leases import Lease
from pileus.tasks.cancellation import PATIENCE, cancel_and_wait, complete
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
LEASE_PART, RENEWAL_PART = 0.6, 0.2
"""The duration of a lease, and the time between two looks at all of them, as parts of the setting `lease_seconds`: a
job of a process that dies is taken over within four fifths of it."""
FORGOTTEN = 3_600_000_000
"""Microseconds after which an expired lease is removed: no process has its job, perhaps because a region is gone."""
Job = Callable[[], Coroutine[Any, Any, None]]
"""Works until it is cancelled."""


@dataclass(slots=True)
class RunningJob:
    """A job whose lease this process holds; the timer ends it when the lease expires."""

    task: asyncio.Task[None]
    timer: asyncio.TimerHandle


@dataclass(slots=True)
class LeasedJobs:
    """The jobs of this process by the names of their leases: each runs while this process holds its lease.

    `token` is of this process alone.
    """

    db: Database
    jobs: Mapping[str, Job]
    holder: str
    token: str
    system_now: Callable[[], int]
    lease_seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    running: dict[str, RunningJob] = field(init=False, default_factory=dict)

    async def run(self) -> None:
        """Hold leases and do their jobs until cancelled; failures are logged. Then release the leases."""
        interval = self.lease_seconds * RENEWAL_PART
        try:
            await repeat(self.renew, interval, self.sleep, LOG, "The leases could not be renewed")
        finally:
            await complete(self._stop())

    async def renew(self) -> None:
        """Extend the leases of this process, take expired ones, and start or end their jobs."""
        loop, duration = asyncio.get_running_loop(), self.lease_seconds * LEASE_PART
        deadline = loop.time() + duration
        acquired = await self._acquire(round(duration * 1_000_000))
        for name in self.jobs:
            if name in acquired:
                self._keep_running(name, deadline)
            elif name in self.running:
                LOG.warning("A lease is lost", extra={"lease": name})
                self._end(name)

    async def _acquire(self, duration: int) -> set[str]:
        """Return the names of the leases that this process has now. Writes nothing if others have all of them."""
        async with self.db.read() as tx:
            current = {lease.name: lease for lease in await leases.list_all(tx)}
        now = self.system_now()
        available = [name for name in self.jobs if name not in current or self._may_take(current[name], now)]

        async def write(tx: Tx) -> set[str]:
            now = self.system_now()
            offers = [
                Lease(name=name, holder=self.holder, token=self.token, expires_at=now + duration) for name in available
            ]
            if any(lease.expires_at < now - FORGOTTEN for lease in current.values()):
                await leases.remove_expired(tx, now - FORGOTTEN)
            return {offer.name for offer in offers if await leases.acquire(tx, offer, now)}

        return await self.db.write(write) if available else set()

    def _may_take(self, lease: Lease, now: int) -> bool:
        return lease.token == self.token or lease.expires_at <= now

    def _keep_running(self, name: str, deadline: float) -> None:
        """Start a job, or let it run until a later time. One that is ending starts again at a later renewal."""
        running = self.running.get(name)
        if running is None:
            LOG.info("A lease is taken", extra={"lease": name})
            task = asyncio.create_task(self._do(name), name=f"lease-{name}")
            task.add_done_callback(lambda _: self.running.pop(name).timer.cancel())
            self.running[name] = RunningJob(task, self._call_at(deadline, name))
        elif not running.task.cancelling():
            running.timer.cancel()
            running.timer = self._call_at(deadline, name)

    async def _do(self, name: str) -> None:
        await self.jobs[name]()

    def _call_at(self, deadline: float, name: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(deadline, self._end, name)

    def _end(self, name: str) -> None:
        """Cancel a job, and again until it has ended: see `cancel_and_wait`."""
        running = self.running[name]
        running.timer.cancel()
        running.task.cancel()
        running.timer = self._call_at(asyncio.get_running_loop().time() + PATIENCE, name)

    async def _stop(self) -> None:
        await cancel_and_wait(*(running.task for running in self.running.values()))
        try:
            await self.db.write(lambda tx: leases.release(tx, self.token))
        except Unavailable:
            LOG.warning("The leases could not be released: they expire")
