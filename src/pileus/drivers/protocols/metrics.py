"""Metrics of machines and routers."""

from typing import Protocol, runtime_checkable

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True):
    """A machine's load at a time (microseconds): shares in percent, bytes and packets per second."""

    time: int
    cpu_util: float
    memory_util: float
    network_bytes_in: float
    network_bytes_out: float
    network_packets_in: float
    network_packets_out: float
    disks: dict[str, tuple[float, float, float, float]]
    """By device: bytes read and written, operations read and written, each per second."""


class Traffic(Struct, frozen=True, kw_only=True):
    """An interface's traffic at a time (microseconds): bits and packets per second."""

    time: int
    bits_in: float
    bits_out: float
    packets_in: float
    packets_out: float


@runtime_checkable
class Metrics(Protocol):
    """Measures the load of machines."""

    async def metrics(self, machine_id: str, since: int, until: int, count: int) -> list[Sample]:
        """Return at most `count` samples between two times, oldest first."""


@runtime_checkable
class RouterMetrics(Protocol):
    """Measures the traffic of routers."""

    async def traffic(self, router_id: str, since: int, until: int, count: int) -> dict[str, list[Traffic]]:
        """Return at most `count` samples between two times for each interface, by port id, oldest first."""
