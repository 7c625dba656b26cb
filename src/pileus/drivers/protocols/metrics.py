"""What a driver measures, if it can: another part of what stands in `driver.py`."""

from typing import Protocol, runtime_checkable

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True):
    """How busy a machine was at a time (microseconds): shares in percent, bytes and packets a second."""

    time: int
    cpu_util: float
    memory_util: float
    network_bytes_in: float
    network_bytes_out: float
    network_packets_in: float
    network_packets_out: float
    disks: dict[str, tuple[float, float, float, float]]
    """By device: bytes read and written, operations read and written, each a second."""


class Traffic(Struct, frozen=True, kw_only=True):
    """What passed through an interface at a time (microseconds): bits and packets a second."""

    time: int
    bits_in: float
    bits_out: float
    packets_in: float
    packets_out: float


@runtime_checkable
class Metrics(Protocol):
    """Knows how busy its machines are."""

    async def metrics(self, machine_id: str, since: int, until: int, count: int) -> list[Sample]:
        """At most `count` samples between two times, oldest first."""


@runtime_checkable
class RouterMetrics(Protocol):
    """Knows what passes through its routers."""

    async def traffic(self, router_id: str, since: int, until: int, count: int) -> dict[str, list[Traffic]]:
        """At most `count` samples between two times for each interface, by its port, oldest first."""
