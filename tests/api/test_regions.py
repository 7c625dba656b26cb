"""Regions: read, filtered and ordered."""

from typing import Any

import pytest
from gcore import NotFoundError
from msgspec.structs import replace

from pileus.domain.catalogue import derive_external_network_id
from tests.tenants import REGION, Tenant

ALL = "/cloud/v1/regions"


@pytest.fixture(autouse=True)
def three_regions(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue with three regions."""
    cloud = tenant.running.app_state
    local = cloud.catalogue.regions[0]
    others = [
        replace(local, id=2, display_name="Amsterdam", created_at=local.created_at + 5_000_000, coordinates=None),
        replace(local, id=3, display_name="Zürich", created_at=local.created_at - 5_000_000, zone=None),
    ]
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, regions=[local, *others]))


async def list_names(tenant: Tenant, **parameters: Any) -> list[str]:
    """Return the listed names, and check the count."""
    answer = (await tenant.api.get(ALL, params=parameters)).json()
    assert answer["count"] == len(answer["results"])
    return [region["display_name"] for region in answer["results"]]


async def test_a_region_is_returned_with_all_fields(tenant: Tenant) -> None:
    region = (await tenant.api.get(f"{ALL}/{REGION}")).json()

    assert region == {
        "id": 1,
        "display_name": "Local",
        "keystone_name": "local",
        "keystone_id": 1,
        "slug": "local-1",
        "state": "ACTIVE",
        "task_id": None,
        "access_level": "core",
        "endpoint_type": "public",
        "country": "LU",
        "zone": "EMEA",
        "coordinates": {"latitude": "49.611622", "longitude": "6.131935"},
        "external_network_id": derive_external_network_id(1, "pub_net"),
        "vlan_physical_network": "vlan",
        "metrics_database_id": None,
        "ddos_endpoint_id": None,
        "available_volume_types": ["standard", "ssd_hiiops", "ssd_lowlatency", "ssd_local", "cold", "ultra"],
        "file_share_types": ["standard", "vast"],
        "has_ai": False,
        "has_ai_gpu": True,
        "has_baremetal": True,
        "has_basic_vm": True,
        "has_dbaas": False,
        "has_ddos": True,
        "has_k8s": False,
        "has_kvm": True,
        "has_sfs": True,
        "created_at": "2024-01-01T00:00:00",
        "created_on": "2024-01-01T00:00:00",
        "ai_service_endpoint_id": None,
    }


@pytest.mark.parametrize(("parameter", "of_one", "of_many"), [("true", 1, 1), ("false", 0, 0), ("", 1, 0)])
async def test_volume_types_are_returned_for_one_region_and_in_lists_on_request(
    tenant: Tenant, parameter: str, of_one: int, of_many: int
) -> None:
    parameters = {"show_volume_types": parameter} if parameter else {}

    view = (await tenant.api.get(f"{ALL}/1", params=parameters)).json()
    listed = (await tenant.api.get(ALL, params=parameters)).json()["results"]

    assert ("ssd_hiiops" in (view["available_volume_types"] or ())) == bool(of_one)
    assert all((region["available_volume_types"] is not None) == bool(of_many) for region in listed)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["Amsterdam", "Local", "Zürich"]),
        ({"order_by": "created_at.desc"}, ["Amsterdam", "Local", "Zürich"]),
        ({"order_by": "created_at.asc"}, ["Zürich", "Local", "Amsterdam"]),
        ({"order_by": "display_name.asc"}, ["Amsterdam", "Local", "Zürich"]),
        ({"order_by": "display_name.desc"}, ["Zürich", "Local", "Amsterdam"]),
        ({"display_name": "ZÜRICH"}, ["Zürich"]),
        ({"display_name": "amsterdam"}, ["Amsterdam"]),
        ({"display_name": "Amster"}, []),
        ({"product": "containers"}, []),
        ({"product": "inference"}, []),
    ],
)
async def test_a_list_is_filtered_and_ordered(tenant: Tenant, parameters: dict[str, Any], expected: list[str]) -> None:
    assert await list_names(tenant, **parameters) == expected


async def test_a_page_is_a_part_and_count_is_the_total(tenant: Tenant) -> None:
    page = (await tenant.api.get(ALL, params={"limit": 1, "offset": 1})).json()

    assert (page["count"], [region["id"] for region in page["results"]]) == (3, [1])
    assert (await tenant.api.get(ALL, params={"offset": 3})).json() == {"count": 3, "results": []}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("offset", "-1"),
        ("order_by", "id"),
        ("product", "cars"),
        ("show_volume_types", "x"),
    ],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(ALL, params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


@pytest.mark.parametrize("number", [0, 9, 10**30])
async def test_an_unknown_region_is_404(tenant: Tenant, number: int) -> None:
    answer = await tenant.api.get(f"{ALL}/{number}")

    assert (answer.status_code, answer.json()["message"]) == (404, f"Region {number} could not be found")


async def test_the_official_client_reads_regions(tenant: Tenant) -> None:
    regions = tenant.sdk.cloud.regions

    listed = [region async for region in regions.list(display_name="local", show_volume_types=True)]

    assert listed == [await regions.get(region_id=REGION, show_volume_types=True)]
    with pytest.raises(NotFoundError):
        await regions.get(region_id=9)
