"""Figures of the whole installation for the metrics: measured in the database and the driver at most once a second."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pileus.api.task_figures import TaskFigures
from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.guests import DiskSpace, SupportsCapacity, SupportsDiskSpace, TotalCapacity
from pileus.services.compute.capacities import measure_used_capacity
from pileus.store import resource_counts
from pileus.store.database import Database
from pileus.store.table_counts import INSTANCE_STATUSES


@dataclass(frozen=True, slots=True)
class InstallationFigures:
    """Tasks, the instances by region and status, what they use, and what the driver has; None if it does not know."""

    tasks: TaskFigures
    instances: Mapping[tuple[int, str], int]
    used: TotalCapacity
    capacity: TotalCapacity | None
    disk_space: DiskSpace | None


class InstallationMeter:
    """Measures the installation. The figures are kept as long as those of the tasks."""

    def __init__(self, db: Database, catalogue: Catalogue, driver: Compute) -> None:
        self._db = db
        self._catalogue = catalogue
        self._driver = driver
        self._latest: InstallationFigures | None = None
        self._lock = asyncio.Lock()

    async def measure(self, tasks: TaskFigures) -> InstallationFigures:
        """Return the figures that belong to those of the tasks."""
        async with self._lock:
            if self._latest is None or self._latest.tasks is not tasks:
                self._latest = await self._measure(tasks)
            return self._latest

    async def _measure(self, tasks: TaskFigures) -> InstallationFigures:
        async with self._db.scan() as tx:
            instances = await resource_counts.list_by_region(tx, INSTANCE_STATUSES)
            used = await measure_used_capacity(tx, self._catalogue)
        capacity = self._driver.total_capacity() if isinstance(self._driver, SupportsCapacity) else None
        return InstallationFigures(tasks, instances, used, capacity, await self._measure_disk_space())

    async def _measure_disk_space(self) -> DiskSpace | None:
        if not isinstance(self._driver, SupportsDiskSpace):
            return None
        try:
            return await self._driver.measure_disk_space()
        except OSError:
            return None
