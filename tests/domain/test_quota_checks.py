"""Quotas: counts of a demand, exceeded quotas, and the error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.account.quota_checks import (
    QUOTAS,
    check_no_quota_exceeded,
    count_demand_by_quota,
    report_exceeded_quotas,
)
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import (
    FloatingIPChoice,
    InterfaceType,
    NewInterface,
    ResourceDemand,
    VolumeDemand,
    count_resource_demand,
)
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import QuotaExceeded
from tests.domain.builders import the_catalogue

SMALL = Flavor(id="g1-standard-2-4", vcpus=2, ram=4096)
NEW, OLD = FloatingIPChoice(), FloatingIPChoice(existing_id="f-1")


def interface(kind: InterfaceType, floating_ip: FloatingIPChoice | None = None) -> NewInterface:
    return NewInterface(type=kind, floating_ip=floating_ip)


@pytest.mark.parametrize(
    ("flavor", "counted"),
    [
        ("g1-standard-2-4", {"vm_count": 1, "cpu_count": 2, "ram": 4096}),
        ("g1s-shared-1-0.5", {"shared_vm_count": 1}),
        ("bm2-hf-medium", {"baremetal_hf_count": 1}),
        ("bm1-infrastructure-small", {"baremetal_infrastructure_count": 1}),
        ("bm3-ai-1xlarge-h100-80-8", {"baremetal_gpu_h100_count": 1}),
    ],
)
def test_server_counts_by_its_flavor(flavor: str, counted: dict[str, int]) -> None:
    assert count_demand_by_quota(ResourceDemand(flavor=the_catalogue().flavor(flavor))) == counted


@pytest.mark.parametrize(
    ("flavor", "counted"),
    [
        (Flavor(id="bm9", kind=InstanceKind.BAREMETAL, vcpus=8, ram=1), {"baremetal_basic_count": 1}),
        (Flavor(id="gpu9", kind=InstanceKind.GPU, vcpus=8, ram=1), {"gpu_count": 1}),
        (
            Flavor(id="vgpu", kind=InstanceKind.GPU, vcpus=8, ram=1, quotas={"gpu_virtual_l40s_count": 2}),
            {"gpu_virtual_l40s_count": 2},
        ),
    ],
)
def test_flavor_without_quotas_counts_by_its_kind(flavor: Flavor, counted: dict[str, int]) -> None:
    assert count_demand_by_quota(ResourceDemand(flavor=flavor)) == counted


def test_volumes_and_addresses_are_counted_per_server() -> None:
    requested = count_demand_by_quota(
        ResourceDemand(
            flavor=SMALL, disks=[VolumeDemand(10), VolumeDemand(30, "ultra")], floating_ips=1, external_ips=2, count=3
        )
    )

    assert requested == {
        "vm_count": 3, "cpu_count": 6, "ram": 12288, "volume_count": 6, "volume_size": 120, "floating_count": 3,
        "external_ip_count": 6,
    }  # fmt: skip


def test_empty_demand_counts_nothing() -> None:
    assert count_demand_by_quota(ResourceDemand()) == {}


def test_only_new_floating_ips_and_external_interfaces_need_addresses() -> None:
    interfaces = [
        interface(InterfaceType.EXTERNAL),
        interface(InterfaceType.SUBNET, NEW),
        interface(InterfaceType.ANY_SUBNET, OLD),
        interface(InterfaceType.RESERVED_FIXED_IP),
    ]

    report = count_resource_demand(SMALL, [VolumeDemand(5)], interfaces, count=2)

    assert (report.external_ips, report.floating_ips, report.count, report.disks) == (1, 1, 2, [VolumeDemand(5)])


@pytest.mark.parametrize(
    ("limit", "usage", "requested", "report"),
    [
        (50, 20, 30, {}),
        (50, 20, 31, {"volume_size_requested": 31, "volume_size_limit": 50, "volume_size_usage": 20}),
        (0, 0, 1, {"volume_size_requested": 1, "volume_size_limit": 0, "volume_size_usage": 0}),
        (50, 60, 0, {}),
    ],
)
def test_report_has_only_exceeded_quotas(limit: int, usage: int, requested: int, report: dict[str, int]) -> None:
    limits, used = {"volume_size": limit, "vm_count": 5}, {"volume_size": usage}

    assert report_exceeded_quotas(limits, used, {"vm_count": 1, "volume_size": requested}) == report


def test_quota_without_a_limit_is_unlimited() -> None:
    assert report_exceeded_quotas({}, {"ram": 10**9}, {"ram": 10**9}) == {}


def test_missing_usage_is_reported_as_zero() -> None:
    assert report_exceeded_quotas({"ram": 1}, {}, {"ram": 2}) == {"ram_requested": 2, "ram_limit": 1, "ram_usage": 0}


def test_error_has_the_public_apis_text_and_facts() -> None:
    with pytest.raises(QuotaExceeded, match=r"^Quota limit for volume_size exceeded by 70$") as report:
        check_no_quota_exceeded({"volume_size": 50, "ram": 9}, {"volume_size": 20}, {"ram": 1, "volume_size": 100})

    assert report.value.facts == {"attribute": "volume_size", "current_usage": 20, "requested_usage": 120, "limit": 50}


NAMES = st.sampled_from(sorted(QUOTAS))
NUMBERS = st.dictionaries(NAMES, st.integers(0, 9))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_check_raises_exactly_if_the_report_is_not_empty(
    limits: dict[str, int], usage: dict[str, int], requested: dict[str, int]
) -> None:
    report = report_exceeded_quotas(limits, usage, requested)

    if report:
        with pytest.raises(QuotaExceeded):
            check_no_quota_exceeded(limits, usage, requested)
    else:
        check_no_quota_exceeded(limits, usage, requested)
        assert all(
            usage.get(name, 0) + requested.get(name, 0) <= limits[name] for name in limits if requested.get(name)
        )
