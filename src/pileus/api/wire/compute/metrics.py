"""Metrics of instances and routers."""

from typing import Literal

from msgspec import Struct

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


class DiskMetricsSample(Struct, kw_only=True, rename=DISK_NAMES):
    """A sample of a disk: bytes and operations per second."""

    disk_name: str | None
    read_bytes: float | None
    write_bytes: float | None
    reads: float | None
    writes: float | None


class InstanceMetricsSample(Struct, kw_only=True, rename=TRAFFIC_NAMES):
    """A sample of an instance: utilization in per cent, traffic per second."""

    time: str
    cpu_util: float | None
    memory_util: float | None
    bytes_out: float | None
    bytes_in: float | None
    packets_out: float | None
    packets_in: float | None
    disks: list[DiskMetricsSample] | None


class InterfaceTrafficSample(Struct, kw_only=True):
    """A sample of a router interface: bits and packets per second."""

    time: str
    network_bps_egress: float | None
    network_bps_ingress: float | None
    network_pps_egress: float | None
    network_pps_ingress: float | None


class RouterInterfaceMetricsView(Struct, kw_only=True):
    """The traffic of a router interface; the `public` interface is the external gateway."""

    port_id: str
    network_id: str
    interface_type: Literal["private", "public"]
    ip_addresses: list[str]
    metrics: list[InterfaceTrafficSample]
