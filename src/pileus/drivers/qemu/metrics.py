"""How busy machines are: looked up in the kernel, QEMU and the fabric again and again, and kept for a week."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.protocols.metrics import Sample
from pileus.drivers.qemu.fabric.state import Counters
from pileus.drivers.qemu.host import MachineRecord, stat
from pileus.drivers.qemu.machines import Machines
from pileus.drivers.qemu.monitor import Monitor, Silent

KEPT = 7 * 86_400_000_000
"""Microseconds."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
BALLOON = {"path": "/machine/peripheral/balloon", "property": "guest-stats"}
POLLING = {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 10}


class Reading(Struct, frozen=True, kw_only=True):
    """What counters said at a time (microseconds): processor seconds, share of memory, bytes and packets."""

    time: int
    cpu: float
    memory: float
    network: tuple[int, int, int, int]
    disks: dict[str, tuple[int, int, int, int]]


class Metrics(Machines):
    """The part that measures them: Metrics."""

    SCHEMA = """
    CREATE TABLE IF NOT EXISTS samples (
        machine_id TEXT NOT NULL, time INTEGER NOT NULL, sample TEXT NOT NULL, PRIMARY KEY (machine_id, time)
    ) WITHOUT ROWID;
    """

    readings: dict[str, Reading]

    async def metrics(self, machine_id: str, since: int, until: int, count: int) -> list[Sample]:
        """At most `count` of the samples that were kept, spread over the time between."""
        self.existing(machine_id)
        rows = self._db.execute(
            "SELECT sample FROM samples WHERE machine_id = ? AND time BETWEEN ? AND ? ORDER BY time",
            (machine_id, since, until),
        ).fetchall()
        step = max(-(-len(rows) // max(count, 1)), 1)
        return [msgspec.json.decode(sample, type=Sample) for (sample,) in rows[step - 1 :: step]]

    async def measure(self) -> None:
        """Take a sample of each machine that runs."""
        counters, now = (await self.report()).counters, time.time_ns() // 1000
        for machine_id, known in self.every().items():
            if self.is_running(machine_id, known):
                with suppress(Silent, DriverError, OSError):
                    self._keep(known, await self._read(known, counters, now))
        self._db.execute("DELETE FROM samples WHERE time < ?", (now - KEPT,))

    def _keep(self, known: MachineRecord, reading: Reading) -> None:
        """A sample is what has changed since the last reading."""
        machine_id = known.machine.id
        before = self.readings.get(machine_id)
        self.readings[machine_id] = reading
        if before is not None and reading.time > before.time:
            sample = msgspec.json.encode(_between(before, reading, known.machine.vcpus)).decode()
            self._db.execute("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", (machine_id, reading.time, sample))

    async def _read(self, known: MachineRecord, counters: dict[str, Counters], now: int) -> Reading:
        assert known.pid  # noqa: S101  # it lives
        async with self.monitor(known.machine.id) as monitor:
            disks = _disks(await monitor.do("query-blockstats"))
            memory = await _memory(monitor, known)
        ports = self._db.execute("SELECT id FROM nics WHERE parent = ?", (known.machine.id,)).fetchall()
        mine = [counters[port_id] for (port_id,) in ports if port_id in counters]
        network = (
            sum(each.bytes_in for each in mine),
            sum(each.bytes_out for each in mine),
            sum(each.packets_in for each in mine),
            sum(each.packets_out for each in mine),
        )
        return Reading(time=now, cpu=_seconds(known.pid), memory=memory, network=network, disks=disks)


async def _memory(monitor: Monitor, known: MachineRecord) -> float:
    """The share of its memory that the guest says it uses; what its process has of the host, where it says nothing."""
    await monitor.do("qom-set", POLLING)
    told: dict[str, Any] = (await monitor.do("qom-get", BALLOON)).get("stats", {})
    free, total = told.get("stat-available-memory", -1), told.get("stat-total-memory", -1)
    if 0 <= free <= total and total > 0:
        return float(100 * (total - free) / total)
    resident = int(Path(f"/proc/{known.pid}/statm").read_text("ascii").split()[1]) * PAGE
    return min(100 * resident / (known.machine.ram << 20), 100)


def _seconds(pid: int) -> float:
    """The processor time that a process and its threads have had."""
    fields = stat(pid)
    if fields is None:
        raise Silent
    return (int(fields[11]) + int(fields[12])) / TICKS


def _disks(told: list[dict[str, Any]]) -> dict[str, tuple[int, int, int, int]]:
    """Bytes and operations read and written of each disk, named as the guest's system would."""
    devices = [each["stats"] for each in told if "virtio" in str(each.get("qdev"))]
    return {
        f"vd{chr(ord('a') + at)}": (
            stats["rd_bytes"],
            stats["wr_bytes"],
            stats["rd_operations"],
            stats["wr_operations"],
        )
        for at, stats in enumerate(devices[:26])
    }


def _between(before: Reading, after: Reading, vcpus: int) -> Sample:
    seconds = (after.time - before.time) / 1_000_000

    def rate(old: int, new: int) -> float:
        return round(max(new - old, 0) / seconds, 2)

    old, new = before.network, after.network
    nothing = (0, 0, 0, 0)
    return Sample(
        time=after.time,
        cpu_util=round(min(max(100 * (after.cpu - before.cpu) / seconds / vcpus, 0), 100), 2),
        memory_util=round(after.memory, 2),
        network_bytes_in=rate(old[0], new[0]),
        network_bytes_out=rate(old[1], new[1]),
        network_packets_in=rate(old[2], new[2]),
        network_packets_out=rate(old[3], new[3]),
        disks={name: _rates(before.disks.get(name, nothing), now, seconds) for name, now in after.disks.items()},
    )


def _rates(
    before: tuple[int, int, int, int], after: tuple[int, int, int, int], seconds: float
) -> tuple[float, float, float, float]:
    read, written, reads, writes = (
        round(max(new - old, 0) / seconds, 2) for old, new in zip(before, after, strict=True)
    )
    return read, written, reads, writes
