"""Metrics of instances and routers: what is asked for, and what was measured."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SECONDS = {"hour": 3600, "day": 86_400}
DENSEST, MOST = 300, 1000
"""Seconds between two samples, unless so many would not fit on the largest page."""


class AskMetrics(Struct, kw_only=True):
    """How far back to look."""

    time_interval: Annotated[int, Meta(ge=1, le=10_000)]
    time_unit: Literal["day", "hour"]

    @property
    def span(self) -> int:
        """In seconds."""
        return self.time_interval * SECONDS[self.time_unit]

    @property
    def count(self) -> int:
        """How many samples are told."""
        return min(MOST, max(1, self.span // DENSEST))

    def since(self, now: int) -> int:
        """From when on, in microseconds."""
        return max(0, now - self.span * 1_000_000)


DISK_NAMES = {
    "read_bytes": "disk_Bps_read",
    "write_bytes": "disk_Bps_write",
    "reads": "disk_iops_read",
    "writes": "disk_iops_write",
}
TRAFFIC_NAMES = {
    "bytes_out": "network_Bps_egress",
    "bytes_in": "network_Bps_ingress",
    "packets_out": "network_pps_egress",
    "packets_in": "network_pps_ingress",
}


class DiskMetrics(Struct, kw_only=True, rename=DISK_NAMES):
    """One disk at a moment; bytes and operations are for each second."""

    disk_name: str | None
    read_bytes: float | None
    write_bytes: float | None
    reads: float | None
    writes: float | None


class MetricsView(Struct, kw_only=True, rename=TRAFFIC_NAMES):
    """An instance at a moment: use in per cent, traffic a second."""

    time: str
    cpu_util: float | None
    memory_util: float | None
    bytes_out: float | None
    bytes_in: float | None
    packets_out: float | None
    packets_in: float | None
    disks: list[DiskMetrics] | None


class TrafficView(Struct, kw_only=True):
    """An interface of a router at a moment: bits and packets a second."""

    time: str
    network_bps_egress: float | None
    network_bps_ingress: float | None
    network_pps_egress: float | None
    network_pps_ingress: float | None


class RouterMetricsView(Struct, kw_only=True):
    """What passed through an interface of a router; the public one is its way out."""

    port_id: str
    network_id: str
    interface_type: Literal["private", "public"]
    ip_addresses: list[str]
    metrics: list[TrafficView]
