"""Samples of load balancers: the load of their processes, and the traffic of their ports."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.metrics import MachineSample
from pileus.drivers.qemu.fabric.state import PortTrafficCounters
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.haproxy.processes import HaproxyProcesses
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecord, LoadBalancerRecords
from pileus.drivers.qemu.haproxy.traffic import TrafficMeter
from pileus.drivers.qemu.metrics import CounterReading, MetricsSampler, cpu_seconds, resident_bytes, sum_traffic
from pileus.drivers.qemu.monitor import MonitorUnavailable
from pileus.drivers.qemu.state import QemuStateFile


class LoadBalancerSampler:
    """Samples load balancers and returns their samples."""

    def __init__(  # noqa: PLR0913  # the parts of the driver that it uses
        self,
        records: LoadBalancerRecords,
        processes: HaproxyProcesses,
        *,
        traffic: TrafficMeter,
        sampler: MetricsSampler,
        state: QemuStateFile,
        fabric_updater: FabricUpdater,
        catalogue: Catalogue,
    ) -> None:
        self._records, self._processes, self._traffic, self._sampler = records, processes, traffic, sampler
        self._state, self._fabric_updater, self._catalogue = state, fabric_updater, catalogue

    def load_balancer_samples(
        self, load_balancer_id: str, since: int, until: int, max_count: int
    ) -> list[MachineSample]:
        """Return at most `max_count` samples between two times, evenly chosen. Raises DriverError."""
        self._records.get(load_balancer_id)
        return self._sampler.read_samples(load_balancer_id, since, until, max_count)

    async def sample_load_balancers(self) -> None:
        """Sample every running load balancer, and save what its processes have counted. Raises DriverError."""
        running = [record for record in self._records.by_id().values() if self._processes.is_running(record)]
        if not running:
            return
        counters, now = (await self._fabric_updater.fetch_report()).counters, time.time_ns() // 1000
        for record in running:
            await self._traffic.update(record)
            with suppress(MonitorUnavailable, OSError):
                self._save_sample(record, counters, now)

    def _save_sample(self, record: LoadBalancerRecord, counters: dict[str, PortTrafficCounters], now: int) -> None:
        spec, pids = record.load_balancer, list(_process_tree(record.pid or 0))
        flavor = self._catalogue.load_balancer_flavor(spec.flavor_name)
        if flavor is None:
            return
        memory = sum(resident_bytes(pid) for pid in pids)
        reading = CounterReading(
            time=now,
            cpu=sum(cpu_seconds(pid) for pid in pids),
            memory=min(100 * memory / (flavor.ram << 20), 100),
            network=sum_traffic(self._state.machine_nics(spec.id), counters),
            disks={},
        )
        self._sampler.save_reading(spec.id, reading, flavor.vcpus)


def _process_tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started. Raises OSError if one is gone."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        yield from _process_tree(int(child))
