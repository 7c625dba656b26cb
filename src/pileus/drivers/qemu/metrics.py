"""Metrics of machines: sampled from the kernel, QEMU and the fabric, and kept for some days."""

import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import MachineSample
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu.child_processes import process_stat
from pileus.drivers.qemu.fabric.state import PortTrafficCounters
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import MachineRecord
from pileus.drivers.qemu.monitor import Monitor, MonitorUnavailable
from pileus.drivers.qemu.state import QemuStateFile

DAY = 86_400_000_000
"""Microseconds."""
MAX_DELETED_SAMPLES = 1000
"""Samples that are deleted at once: more than a host takes at once, so that old ones do not accumulate."""
DELETE_OLDEST = """
DELETE FROM samples WHERE (machine_id, time) IN (
    SELECT machine_id, time FROM samples WHERE time < ? ORDER BY time LIMIT ?
)
"""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
BALLOON = {"path": "/machine/peripheral/balloon", "property": "guest-stats"}
POLLING = {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 10}


class CounterReading(Struct, frozen=True, kw_only=True):
    """Counters of a machine at a time (microseconds): CPU seconds, memory in percent, bytes and packets."""

    time: int
    cpu: float
    memory: float
    network: tuple[int, int, int, int]
    disks: dict[str, tuple[int, int, int, int]]


class MetricsSampler:
    """Samples machines and returns their samples."""

    def __init__(
        self, control: MachineControl, state: QemuStateFile, fabric_updater: FabricUpdater, *, kept_days: int
    ) -> None:
        self._control, self._records, self._kept_days = control, control.records, kept_days
        self._state, self._db, self._fabric_updater = state, state.db, fabric_updater
        self._last_readings: dict[str, CounterReading] = {}

    def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return at most `max_count` samples between two times, evenly chosen. Raises DriverError."""
        self._records.get(machine_id)
        return self.read_samples(machine_id, since, until, max_count)

    def read_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return the samples of a machine or a load balancer."""
        rows = self._db.execute(
            "SELECT sample FROM samples WHERE machine_id = ? AND time BETWEEN ? AND ? ORDER BY time",
            (machine_id, since, until),
        ).fetchall()
        step = max(-(-len(rows) // max(max_count, 1)), 1)
        return [msgspec.json.decode(sample, type=MachineSample) for (sample,) in rows[step - 1 :: step]]

    async def sample_running_machines(self) -> None:
        """Sample every running machine and delete samples that are too old. Raises DriverError.

        A locked machine is left out: its monitor serves one client, and may be in use for hours.
        """
        counters, now = (await self._fabric_updater.fetch_report()).counters, time.time_ns() // 1000
        for record in self._records.by_id().values():
            if self._control.children.is_running(record) and not self._control.is_locked(record.machine.id):
                with suppress(MonitorUnavailable, DriverError, OSError):
                    reading = await self._read(record, counters, now)
                    self.save_reading(record.machine.id, reading, record.machine.vcpus)
        delete_old_samples(self._db, now - self._kept_days * DAY)

    def save_reading(self, machine_id: str, reading: CounterReading, vcpus: int) -> None:
        """Save a sample of a machine or a load balancer, the rates since the last reading; the first makes none."""
        previous = self._last_readings.get(machine_id)
        self._last_readings[machine_id] = reading
        if previous is not None and reading.time > previous.time:
            sample = msgspec.json.encode(sample_between(previous, reading, vcpus)).decode()
            self._db.execute("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", (machine_id, reading.time, sample))

    async def _read(self, record: MachineRecord, counters: dict[str, PortTrafficCounters], now: int) -> CounterReading:
        assert record.pid  # noqa: S101  # the machine runs
        async with self._control.open_monitor(record.machine.id) as monitor:
            disks = _disk_counters(await monitor.execute_command("query-blockstats"))
            memory = await _memory_percent(monitor, record)
        nics = self._state.machine_nics(record.machine.id)
        network = sum_traffic(nics, counters)
        return CounterReading(time=now, cpu=cpu_seconds(record.pid), memory=memory, network=network, disks=disks)


def sum_traffic(nics: Iterable[NicSpec], counters: dict[str, PortTrafficCounters]) -> tuple[int, int, int, int]:
    """Return the bytes in and out and the packets in and out of all interfaces together."""
    ports = [counters[nic.port_id] for nic in nics if nic.port_id in counters]
    return (
        sum(port.bytes_in for port in ports),
        sum(port.bytes_out for port in ports),
        sum(port.packets_in for port in ports),
        sum(port.packets_out for port in ports),
    )


async def _memory_percent(monitor: Monitor, record: MachineRecord) -> float:
    """Return the memory in use as the guest reports it, or else the resident memory of QEMU."""
    await monitor.execute_command("qom-set", POLLING)
    stats: dict[str, Any] = (await monitor.execute_command("qom-get", BALLOON)).get("stats", {})
    free, total = stats.get("stat-available-memory", -1), stats.get("stat-total-memory", -1)
    if 0 <= free <= total and total > 0:
        return float(100 * (total - free) / total)
    return min(100 * resident_bytes(record.pid or 0) / (record.machine.ram << 20), 100)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process. Raises OSError if it is gone."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE_SIZE


def delete_old_samples(db: sqlite3.Connection, before: int) -> int:
    """Delete samples from before a time, the oldest first and not all at once; return how many were deleted."""
    return db.execute(DELETE_OLDEST, (before, MAX_DELETED_SAMPLES)).rowcount


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its threads."""
    fields = process_stat(pid)
    if fields is None:
        raise MonitorUnavailable
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _disk_counters(block_stats: list[dict[str, Any]]) -> dict[str, tuple[int, int, int, int]]:
    """Return bytes and operations, read and written, of each disk by the name that Linux gives it."""
    devices = [device["stats"] for device in block_stats if "virtio" in str(device.get("qdev"))]
    return {
        f"vd{chr(ord('a') + index)}": (
            stats["rd_bytes"],
            stats["wr_bytes"],
            stats["rd_operations"],
            stats["wr_operations"],
        )
        for index, stats in enumerate(devices[:26])
    }


def sample_between(before: CounterReading, after: CounterReading, vcpus: int) -> MachineSample:
    """Return the sample of the time between two readings of a machine."""
    seconds = (after.time - before.time) / 1_000_000
    bytes_in, bytes_out, packets_in, packets_out = _rates(before.network, after.network, seconds)
    return MachineSample(
        time=after.time,
        cpu_util=round(min(max(100 * (after.cpu - before.cpu) / seconds / vcpus, 0), 100), 2),
        memory_util=round(after.memory, 2),
        network_bytes_in=bytes_in,
        network_bytes_out=bytes_out,
        network_packets_in=packets_in,
        network_packets_out=packets_out,
        disks={
            name: _rates(before.disks.get(name, (0, 0, 0, 0)), counters, seconds)
            for name, counters in after.disks.items()
        },
    )


def _rates(
    before: tuple[int, int, int, int], after: tuple[int, int, int, int], seconds: float
) -> tuple[float, float, float, float]:
    first, second, third, fourth = (
        round(max(new - old, 0) / seconds, 2) for old, new in zip(before, after, strict=True)
    )
    return first, second, third, fourth
