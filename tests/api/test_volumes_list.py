"""Lists of volumes: filters, pages and isolation of tenants."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.builders import an_instance
from tests.storage import a_snapshot, a_volume
from tests.tenants import Tenant


async def list_names(tenant: Tenant, **query: Any) -> list[str]:
    """Return the names of the listed volumes, oldest first."""
    text = urlencode(query, doseq=True)
    answer = (await tenant.api.get(f"{tenant.path('volumes')}?{text}")).json()
    assert answer["count"] == len(answer["results"])
    return [volume["name"] for volume in reversed(answer["results"])]


async def test_the_latest_is_first_and_count_is_the_total(tenant: Tenant) -> None:
    for at in range(5):
        await a_volume(tenant, name=f"disk-{at}", created_at=at * 1_000_000)

    page = (await tenant.api.get(f"{tenant.path('volumes')}?limit=2&offset=1")).json()

    assert page["count"] == 5
    assert [volume["name"] for volume in page["results"]] == ["disk-3", "disk-2"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "bootable=perhaps", "tag_key_value=a"])
async def test_an_invalid_parameter_is_400(tenant: Tenant, query: str) -> None:
    answer = await tenant.api.get(f"{tenant.path('volumes')}?{query}")

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [query.partition("=")[0]])


async def test_list_and_get_return_the_same_view(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance, labels={"a": "b"})
    await a_snapshot(tenant, volume)

    listed = (await tenant.api.get(tenant.path("volumes"))).json()["results"]

    single = {item["id"]: (await tenant.api.get(tenant.path("volumes", item["id"]))).json() for item in listed}
    assert listed == list(single.values())
    assert [item["is_root_volume"] for item in sorted(listed, key=lambda item: bool(item["name"] != "data"))] == [
        False,
        True,
    ]


async def test_filters_by_attachment(tenant: Tenant) -> None:
    first, other = await an_instance(tenant, name="one"), await an_instance(tenant, name="other")
    await a_volume(tenant, first, name="on-one")
    await a_volume(tenant, name="loose")

    assert await list_names(tenant, instance_id=first.id) == ["one_bootvolume", "on-one"]
    assert await list_names(tenant, instance_id=other.id) == ["other_bootvolume"]
    assert await list_names(tenant, instance_id="nothing") == []
    assert await list_names(tenant, has_attachments="false") == ["loose"]
    assert await list_names(tenant, has_attachments="true") == ["one_bootvolume", "other_bootvolume", "on-one"]
    assert await list_names(tenant, bootable="true") == ["one_bootvolume", "other_bootvolume"]
    assert await list_names(tenant, bootable="false", has_attachments="true") == ["on-one"]


async def test_filters_by_parts_of_ids_and_names_without_wildcards(tenant: Tenant) -> None:
    first = await a_volume(tenant, name="Data_100%")
    await a_volume(tenant, name="data-2")

    assert await list_names(tenant, name_part="DATA") == ["Data_100%", "data-2"]
    assert await list_names(tenant, name_part="_1") == ["Data_100%"]
    assert await list_names(tenant, name_part="%") == ["Data_100%"]
    assert await list_names(tenant, id_part=first.id[4:20].upper()) == ["Data_100%"]
    assert await list_names(tenant, name_part="data", id_part="nowhere") == []


async def test_filters_by_tags_require_all_of_them(tenant: Tenant) -> None:
    await a_volume(tenant, name="one", labels={"a": "1", "b": "2"})
    await a_volume(tenant, name="two", labels={"a": "2", "cluster_id": "k8s"})

    assert await list_names(tenant, tag_key="a") == ["one", "two"]
    assert await list_names(tenant, tag_key=["a", "b"]) == ["one"]
    assert await list_names(tenant, tag_key_value=json.dumps({"a": "2"})) == ["two"]
    assert await list_names(tenant, tag_key_value=json.dumps({"a": "1", "b": "1"})) == []
    assert await list_names(tenant, cluster_id="k8s") == ["two"]
    assert await list_names(tenant, cluster_id="k8s", tag_key="b") == []


async def test_another_tenants_volumes_are_not_listed(tenant: Tenant, stranger: Tenant) -> None:
    volume = await a_volume(tenant)

    assert await list_names(stranger) == []
    assert (await stranger.api.get(tenant.path("volumes"))).status_code == 404
    assert (await stranger.api.get(stranger.path("volumes", volume.id))).status_code == 404
