"""Made-up metrics of the simulated cloud: each machine and interface follows a daily wave of its own."""

import hashlib
import math
from collections.abc import Sequence

from pileus.drivers.protocols.metrics import MachineSample, TrafficSample

SECOND, DAY = 1_000_000, 86_400_000_000
"""Microseconds."""
MAX_DISKS = 26
"""Devices are named vda to vdz."""


def sample_times(since: int, until: int, count: int) -> list[int]:
    """Return `count` evenly distributed times."""
    step = max((until - since) // max(count, 1), 1)
    return [since + step * number for number in range(1, count + 1)]


def simulate_machine_samples(
    machine_id: str, times: Sequence[int], disk_count: int, *, running: bool
) -> list[MachineSample]:
    """Return a machine's load at these times; zero unless it runs."""
    phase = _phase(machine_id)
    devices = [f"vd{chr(ord('a') + number)}" for number in range(min(disk_count, MAX_DISKS))]
    return [_machine_sample(time, _wave(time, phase) if running else 0.0, devices, running=running) for time in times]


def simulate_traffic_samples(port_id: str, times: Sequence[int]) -> list[TrafficSample]:
    """Return an interface's traffic at these times."""
    phase = _phase(port_id)
    return [_port_sample(time, _wave(time, phase)) for time in times]


def wave_at(time: int, record_id: str) -> float:
    """Return the load of a record at a time, from 0 to 1."""
    return _wave(time, _phase(record_id))


def count_full_seconds(record_id: str, since: int, until: int) -> float:
    """Return how many seconds of full load are in the wave of a record between two times: its integral."""
    turn, shift = 2 * math.pi / DAY, _phase(record_id) * 1000
    fall = math.cos(turn * ((since + shift) % DAY)) - math.cos(turn * ((until + shift) % DAY))
    return (until - since + fall / turn) / 2 / SECOND


def _phase(record_id: str) -> int:
    return int(hashlib.sha256(record_id.encode()).hexdigest()[:8], 16)


def _wave(time: int, phase: int) -> float:
    """Return a value that rises from 0 to 1 and falls back once a day."""
    return (1 + math.sin(2 * math.pi * ((time + phase * 1000) % DAY) / DAY)) / 2


def _port_sample(time: int, wave: float) -> TrafficSample:
    return TrafficSample(
        time=time,
        bits_in=round(320_000 * wave, 2),
        bits_out=round(200_000 * wave, 2),
        packets_in=round(60 * wave, 2),
        packets_out=round(45 * wave, 2),
    )


def _machine_sample(time: int, wave: float, devices: Sequence[str], *, running: bool) -> MachineSample:
    disk = (round(9_000 * wave, 2), round(14_000 * wave, 2), round(3 * wave, 2), round(5 * wave, 2))
    return MachineSample(
        time=time,
        cpu_util=round(5 + 60 * wave, 2) if running else 0.0,
        memory_util=round(30 + 20 * wave, 2) if running else 0.0,
        network_bytes_in=round(40_000 * wave, 2),
        network_bytes_out=round(25_000 * wave, 2),
        network_packets_in=round(60 * wave, 2),
        network_packets_out=round(45 * wave, 2),
        disks=dict.fromkeys(devices, disk),
    )
