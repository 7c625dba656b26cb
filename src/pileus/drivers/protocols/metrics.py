"""Metrics of machines and routers."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta


class MachineSample(Struct, frozen=True, kw_only=True):
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


class TrafficSample(Struct, frozen=True, kw_only=True):
    """An interface's traffic at a time (microseconds): bits and packets per second."""

    time: int
    bits_in: float
    bits_out: float
    packets_in: float
    packets_out: float


@runtime_checkable
class SupportsMachineMetrics(Protocol, metaclass=AbilityMeta):
    """Measures the load of machines."""

    async def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return at most `max_count` samples between two times, oldest first."""


@runtime_checkable
class SupportsRouterMetrics(Protocol, metaclass=AbilityMeta):
    """Measures the traffic of routers."""

    async def router_traffic_by_port_id(
        self, router_id: str, since: int, until: int, max_count: int
    ) -> dict[str, list[TrafficSample]]:
        """Return at most `max_count` samples between two times for each interface, by port id, oldest first."""
