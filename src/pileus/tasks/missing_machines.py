"""Find instances whose machine somebody has deleted outside of this program, and show them as failed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import SupportsMachineInventory
from pileus.store import resource_revisions
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.store.resource_revisions import ResourceRecords

LOG = logging.getLogger(__name__)
RECORDS = ResourceRecords(instances.TABLE)
PAGE_SIZE, PAGES_PER_RUN = 500, 4
"""Instances that the driver is asked about at once, and how often it is asked in a run."""


class MissingMachines:
    """Asks a driver about the instances of its regions, a bounded number in each run; the last page begins anew."""

    def __init__(
        self, db: Database, driver: SupportsMachineInventory, now: Callable[[], int], region_ids: Sequence[int]
    ) -> None:
        self._db, self._driver, self._now, self._region_ids = db, driver, now, region_ids
        self._last_id = ""

    async def check_next_pages(self) -> None:
        """Look at the next instances. Raises DriverError if the driver does not know; then nothing is changed."""
        for _ in range(PAGES_PER_RUN):
            # Records are read first: an instance that a task has changed since may have a new machine.
            async with self._db.scan() as tx:
                revisions = await resource_revisions.list_unlocked(
                    tx, RECORDS, self._region_ids, self._last_id, PAGE_SIZE
                )
            missing = await self._driver.list_missing_machines(list(revisions)) if revisions else []
            for machine_id in missing:
                await self._db.write(partial(_save_missing, machine_id, revisions[machine_id], self._now()))
            self._last_id = [*revisions][-1] if len(revisions) == PAGE_SIZE else ""
            if not self._last_id:
                return
            await asyncio.sleep(0)


async def _save_missing(instance_id: str, revision: int, now: int, tx: Tx) -> None:
    """Save the instance as failed, unless it has been changed or locked meanwhile, or is so already."""
    instance = await instances.find(tx, instance_id)
    if instance is None or instance.task_id is not None or instance.revision != revision:
        return
    if instance.status != Status.ERROR:
        LOG.error("A machine is gone", extra={"machine_id": instance_id, "region_id": instance.region_id})
        await instances.save(tx, instance, instance.with_status(Status.ERROR, now))
