"""Checks of a demand against a tenant's quotas and usage."""

from collections.abc import Mapping

from pileus.domain.compute.instance_orders import ResourceDemand
from pileus.domain.errors import ExceededQuota, QuotaExceeded

QUOTAS = frozenset(
    {
        "baremetal_basic_count", "baremetal_gpu_a100_count", "baremetal_gpu_h100_count", "baremetal_gpu_h200_count",
        "baremetal_gpu_l40s_count", "baremetal_hf_count", "baremetal_infrastructure_count", "baremetal_network_count",
        "baremetal_storage_count", "cpu_count", "external_ip_count", "firewall_count", "floating_count", "gpu_count",
        "gpu_virtual_a100_count", "gpu_virtual_h100_count", "gpu_virtual_h200_count", "gpu_virtual_l40s_count",
        "image_count", "image_size", "keypair_count", "loadbalancer_count", "network_count", "project_count", "ram",
        "router_count", "secret_count", "servergroup_count", "sfs_count", "sfs_size", "shared_vm_count",
        "snapshot_schedule_count", "subnet_count", "vm_count",
        "volume_count", "volume_size", "volume_snapshots_count", "volume_snapshots_size",
    }
)  # fmt: skip


def count_demand_by_quota(demand: ResourceDemand) -> dict[str, int]:
    """Count a demand by quota; `ram` in MiB, `volume_size` in GiB."""
    amounts = dict(demand.flavor.quota_counts_per_server) if demand.flavor else {}
    amounts["volume_count"] = len(demand.disks)
    amounts["volume_size"] = sum(disk.size for disk in demand.disks)
    amounts["floating_count"] = demand.floating_ips
    amounts["external_ip_count"] = demand.external_ips
    return {name: number * demand.count for name, number in amounts.items() if number}


def report_exceeded_quotas(
    limits: Mapping[str, int], usage: Mapping[str, int], requested: Mapping[str, int]
) -> dict[str, int]:
    """Return the requested amount, limit and usage of each quota that would be exceeded."""
    report: dict[str, int] = {}
    for name in _exceeded_names(limits, usage, requested):
        report[f"{name}_requested"] = requested[name]
        report[f"{name}_limit"] = limits[name]
        report[f"{name}_usage"] = usage.get(name, 0)
    return report


def check_no_quota_exceeded(limits: Mapping[str, int], usage: Mapping[str, int], requested: Mapping[str, int]) -> None:
    """Raise QuotaExceeded for the quotas that would be exceeded."""
    exceeded_quotas = [
        ExceededQuota(
            attribute=name,
            current_usage=usage.get(name, 0),
            requested_usage=usage.get(name, 0) + requested[name],
            limit=limits[name],
        )
        for name in _exceeded_names(limits, usage, requested)
    ]
    if exceeded_quotas:
        raise QuotaExceeded(exceeded_quotas)


def count_units_that_fit(
    limits: Mapping[str, int], usage: Mapping[str, int], per_unit: Mapping[str, int], capacity_left: int | None
) -> int | None:
    """Return how many more units fit the quotas and the capacity, or None if nothing limits them."""
    remaining = [
        (limits[name] - usage.get(name, 0)) // number for name, number in per_unit.items() if number and name in limits
    ]
    bounds = remaining if capacity_left is None else [*remaining, capacity_left]
    return max(0, min(bounds)) if bounds else None


def _exceeded_names(limits: Mapping[str, int], usage: Mapping[str, int], requested: Mapping[str, int]) -> list[str]:
    return [
        name
        for name, number in requested.items()
        if number > 0 and name in limits and usage.get(name, 0) + number > limits[name]
    ]
