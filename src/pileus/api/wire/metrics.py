"""Metrics of an instance: what is asked for, and what was measured."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class AskMetrics(Struct, kw_only=True):
    """How far back to look."""

    time_interval: Annotated[int, Meta(ge=1, le=10_000)]
    time_unit: Literal["day", "hour"]


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
