"""Figures of the whole installation for the metrics: measured in the database and the drivers at most once a second."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pileus.api.task_figures import TaskFigures
from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.guests import DiskSpace, SupportsCapacity, SupportsDiskSpace, TotalCapacity
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.services.compute.capacities import measure_used_capacity
from pileus.store import leases, resource_counts
from pileus.store.database import Database, Tx
from pileus.store.table_counts import INSTANCE_STATUSES
from pileus.tasks.clocks import SECOND, CloudClock


@dataclass(frozen=True, slots=True)
class InstallationFigures:
    """Tasks, the instances by region and status, what they use, and what the drivers have together.

    `capacity`, `free` and `disk_space` are those of the drivers that know them, and None if none does. `lease_seconds`
    is the time until the leases of jobs expire, by their names.
    """

    tasks: TaskFigures
    instances: Mapping[tuple[int, str], int]
    used: TotalCapacity
    capacity: TotalCapacity | None
    free: TotalCapacity | None
    disk_space: DiskSpace | None
    lease_seconds: Mapping[str, float]


class InstallationMeter:
    """Measures the installation. The figures are kept as long as those of the tasks."""

    def __init__(self, db: Database, catalogue: Catalogue, drivers: RegionDrivers, clock: CloudClock) -> None:
        self._db = db
        self._clock = clock
        self._catalogue = catalogue
        self._drivers = drivers
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
            lease_seconds = await self._measure_leases(tx)
            capacities = [
                (
                    entry.driver.total_capacity(),
                    await measure_used_capacity(tx, self._catalogue, region_ids=entry.region_ids),
                )
                for entry in self._drivers.running
                if isinstance(entry.driver, SupportsCapacity)
            ]
        capacity = free = None
        if capacities:
            capacity = _sum_capacities(total for total, _ in capacities)
            free = _sum_capacities(_subtract(total, of_regions) for total, of_regions in capacities)
        disk_space = await self._measure_disk_space()
        return InstallationFigures(tasks, instances, used, capacity, free, disk_space, lease_seconds)

    async def _measure_leases(self, tx: Tx) -> dict[str, float]:
        now = self._clock.system_now()
        return {lease.name: (lease.expires_at - now) / SECOND for lease in await leases.list_all(tx)}

    async def _measure_disk_space(self) -> DiskSpace | None:
        spaces: list[DiskSpace] = []
        for entry in self._drivers.running:
            if isinstance(entry.driver, SupportsDiskSpace):
                with suppress(OSError):
                    spaces.append(await entry.driver.measure_disk_space())
        if not spaces:
            return None
        return DiskSpace(total=sum(space.total for space in spaces), free=sum(space.free for space in spaces))


def _sum_capacities(capacities: Iterable[TotalCapacity]) -> TotalCapacity:
    vcpus = ram = 0
    for capacity in capacities:
        vcpus, ram = vcpus + capacity.vcpus, ram + capacity.ram
    return TotalCapacity(vcpus=vcpus, ram=ram)


def _subtract(capacity: TotalCapacity, used: TotalCapacity) -> TotalCapacity:
    return TotalCapacity(vcpus=max(0, capacity.vcpus - used.vcpus), ram=max(0, capacity.ram - used.ram))
