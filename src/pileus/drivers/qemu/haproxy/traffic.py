"""Counters of the traffic of listeners, which outlive the processes that count."""

from contextlib import suppress

from pileus.drivers.qemu.child_processes import process_start_time
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecord, LoadBalancerRecords, TrafficByListener
from pileus.drivers.qemu.haproxy.runtime import HaproxySockets, HaproxyUnavailable
from pileus.drivers.qemu.paths import DataDirectory


class TrafficMeter:
    """Reads the counters of all workers of a load balancer. Those of a worker that has ended are kept."""

    def __init__(self, directory: DataDirectory, records: LoadBalancerRecords) -> None:
        self._directory, self._records = directory, records

    async def update(self, record: LoadBalancerRecord) -> None:
        """Save what has been counted until now, as far as the workers answer."""
        load_balancer_id = record.load_balancer.id
        if self._records.find(load_balancer_id) is None:
            return
        workers: dict[str, TrafficByListener] = {}
        sockets = HaproxySockets(self._directory.load_balancer_directory(load_balancer_id) / "run")
        with suppress(HaproxyUnavailable):
            for pid in (await sockets.list_processes()).all_workers:
                workers[f"{pid} {process_start_time(pid)}"] = await sockets.traffic_of_worker(pid)
        listener_ids = {listener.id for listener in record.load_balancer.listeners}
        # What another process has saved meanwhile counts the same workers.
        traffic = self._records.traffic(load_balancer_id).updated(workers)
        self._records.save_traffic(load_balancer_id, traffic.of_listeners(listener_ids))

    async def traffic_by_listener_id(self, load_balancer_id: str) -> TrafficByListener:
        """Return the counters of each listener; none if the load balancer does not exist."""
        if (record := self._records.find(load_balancer_id)) is not None:
            await self.update(record)
        return self._records.traffic(load_balancer_id).total
