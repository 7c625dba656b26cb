"""Delete what has been kept for its retention period: continuously, in small batches, in one process at a time.

A run passes over all tables, one batch of each in turn, with a pause after each batch, so that requests are served in
between. It claims the time until it ends; if its process dies, another one starts a run when the claim has passed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from pileus.domain.retention import RetentionClass, RetentionPeriods
from pileus.store import retention
from pileus.store.database import Database, Tx
from pileus.store.retention import EXPIRING_TABLES, NO_CLIENT, ExpiringTable, RowBatch
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
POLL_INTERVAL, PAUSE = 60.0, 0.01
"""Seconds between two checks whether a run is due, and after each batch."""
INTERVAL, CLAIM = 600_000_000, 120_000_000
"""Microseconds from the end of a run to the next one, and for which each batch extends the claim of its run."""


@dataclass(slots=True)
class RetentionJob:
    """Deletes old rows: `run` until it is cancelled, `run_if_due` once. `on_run` gets the rows deleted by table."""

    db: Database
    periods: RetentionPeriods
    now: Callable[[], int]
    on_run: Callable[[dict[str, int]], None] = lambda _: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Delete old rows whenever a run is due, until cancelled; failures are logged."""
        await repeat(self.run_if_due, POLL_INTERVAL, self.sleep, LOG, "Deleting old rows failed")

    async def run_if_due(self) -> dict[str, int] | None:
        """Delete all old rows, and return how many by table; None if no run is due or another process does it."""
        now = self.now()
        async with self.db.read() as tx:
            if not await retention.is_due(tx, now):
                return None
        usage_since = self.periods.cutoff(RetentionClass.USAGE, now) or 0
        if not await self.db.write(lambda tx: retention.claim_run(tx, now, now + CLAIM, usage_since)):
            return None
        deleted = await self._remove_old_rows(now)
        await self.db.write(lambda tx: retention.plan_next_run(tx, self.now() + INTERVAL))
        self.on_run(deleted)
        if any(deleted.values()):
            LOG.info("Deleted old rows", extra={"rows": deleted})
        return deleted

    async def run_at_once(self) -> None:
        """Do the same without pauses, because the clock has been changed."""
        await replace(self, sleep=lambda _: asyncio.sleep(0)).run_if_due()

    async def _remove_old_rows(self, now: int) -> dict[str, int]:
        """Take a batch of each table in turn, so that a large one does not delay the others."""
        deleted = dict.fromkeys((table.name for table in EXPIRING_TABLES), 0)
        removals = [
            (table.name, self._remove_in_batches(table, before))
            for table in EXPIRING_TABLES
            if (before := self.periods.cutoff(table.retention_class, now)) is not None
        ]
        while removals:
            for removal in tuple(removals):
                name, batches = removal
                count = await anext(batches, None)
                if count is None:
                    removals.remove(removal)
                else:
                    deleted[name] += count
                    await self.sleep(PAUSE)
        return deleted

    async def _remove_in_batches(self, table: ExpiringTable, before: int) -> AsyncIterator[int]:
        """Delete the rows of a table that are older; yields after each batch, and after each page of tenants."""
        async for client_ids in self._pages_of_clients(table):
            for client_id in client_ids:
                start = 0
                while (batch := await self._find_batch(table, client_id, start, before)) is not None:
                    yield await self.db.write(partial(self._remove_batch, batch))
                    start = batch.end
            yield 0

    async def _pages_of_clients(self, table: ExpiringTable) -> AsyncIterator[list[int]]:
        if not table.by_client:
            yield [NO_CLIENT]
            return
        page = [NO_CLIENT]
        while True:
            async with self.db.read() as tx:
                page = list(await retention.list_client_ids(tx, page[-1]))
            if not page:
                return
            yield page

    async def _find_batch(self, table: ExpiringTable, client_id: int, start: int, before: int) -> RowBatch | None:
        async with self.db.read() as tx:
            return await retention.find_batch(tx, table, client_id, start, before)

    async def _remove_batch(self, batch: RowBatch, tx: Tx) -> int:
        await retention.plan_next_run(tx, self.now() + CLAIM)
        return await retention.remove_batch(tx, batch)
