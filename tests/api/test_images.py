"""Public images and those of a project: shown, listed and filtered."""

from typing import Any

import pytest
from gcore import NotFoundError

from pileus.domain.compute.images import Image
from pileus.domain.tags import make_tags
from pileus.store import tags
from pileus.store.compute import images
from pileus.store.database import Tx
from tests.builders import place_of, updated_record_fields
from tests.tenants import REGION, Tenant

PUBLIC = ["ubuntu-22.04-x64", "ubuntu-24.04-x64", "debian-12-generic-x64", "windows-server-2022-standard-x64"]
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
TEAM = {"key": "team", "value": "a", "read_only": False}


async def an_image(tenant: Tenant, name: str = "mine", labels: dict[str, str] | None = None, **changes: Any) -> Image:
    """Add an image of the project."""
    fields = {"name": name, "os_distro": "Fedora", "os_version": "41", "size": 1024}
    image = Image(**{**updated_record_fields(tenant), **fields, **changes})

    async def write(tx: Tx) -> None:
        await images.TABLE.add(tx, image)
        await tags.add(tx, images.KIND, place_of(tenant), image.id, make_tags((labels or {}).items()))

    await tenant.running.app_state.db.write(write)
    return image


async def list_names(tenant: Tenant, **parameters: Any) -> list[str]:
    """Return the names of the listed images, and check the count."""
    answer = (await tenant.api.get(tenant.path("images"), params=parameters)).json()
    assert answer["count"] == len(answer["results"])
    return [image["name"] for image in answer["results"]]


async def test_an_image_has_all_fields(tenant: Tenant) -> None:
    times: dict[str, Any] = {"created_at": 1_700_000_000_000_000, "updated_at": 1_700_000_001_000_000}
    image = await an_image(tenant, labels={"team": "a"}, description="Ours", **times)

    view = (await tenant.api.get(tenant.path("images", image.id))).json()

    assert view == {
        "id": image.id,
        "name": "mine",
        "description": "Ours",
        "status": "active",
        "visibility": "private",
        "size": 1024,
        "min_disk": 0,
        "min_ram": 0,
        "os_distro": "Fedora",
        "os_type": "linux",
        "os_version": "41",
        "architecture": "x86_64",
        "ssh_key": "allow",
        "disk_format": "qcow2",
        "display_order": None,
        "is_baremetal": False,
        **dict.fromkeys(("hw_firmware_type", "hw_machine_type")),
        **dict.fromkeys(("gpu_driver", "gpu_driver_type", "gpu_driver_version")),
        **{name: [TEAM] for name in ("tags_v2", "tags", "metadata_detailed")},
        "metadata": {"team": "a"},
        **dict.fromkeys(("currency_code", "price_per_hour", "price_per_month", "price_status")),
        "project_id": tenant.project_id,
        "region": "Local",
        "region_id": REGION,
        "task_id": None,
        "creator_task_id": None,
        "created_at": "2023-11-14T22:13:20+0000",
        "updated_at": "2023-11-14T22:13:21+0000",
    }


async def test_a_public_image_is_visible_to_all_tenants(tenant: Tenant, stranger: Tenant) -> None:
    public = (await tenant.api.get(tenant.path("images"))).json()["results"][0]

    stranger_view = (await stranger.api.get(stranger.path("images", public["id"]))).json()

    assert (public["visibility"], public["project_id"]) == ("public", tenant.project_id)
    assert stranger_view == {**public, "project_id": stranger.project_id}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [*PUBLIC, "mine"]),
        ({"visibility": "public"}, PUBLIC),
        ({"visibility": "private"}, ["mine"]),
        ({"visibility": "shared"}, []),
        ({"private": "true"}, ["mine"]),
        ({"private": ""}, ["mine"]),
        ({"private": "1", "visibility": "public"}, []),
        ({"name": "UBUNTU"}, PUBLIC[:2]),
        ({"name": "2.04"}, PUBLIC[:1]),
        ({"name": "_"}, []),
        ({"name": "%"}, []),
        ({"architecture": "aarch64"}, ["mine"]),
        ({"architecture": "x86_64"}, PUBLIC),
        ({"os_distro": "fedora"}, ["mine"]),
        ({"os_distro": "UBUNTU"}, PUBLIC[:2]),
        ({"os_distro": "ubu"}, []),
        ({"os_version": "24.04"}, PUBLIC[1:2]),
        ({"os_distro": "ubuntu", "os_version": "22.04"}, PUBLIC[:1]),
        ({"tag_key": "env"}, ["mine"]),
        ({"tag_key": ["env", "team"]}, ["mine"]),
        ({"tag_key": ["env", "other"]}, []),
        ({"tag_key_value": '{"env": "prod"}'}, ["mine"]),
        ({"tag_key_value": '{"env": "prod", "team": "a"}'}, ["mine"]),
        ({"tag_key_value": '{"env": "test"}'}, []),
        ({"tag_key_value": "{}"}, [*PUBLIC, "mine"]),
        ({"include_prices": "true", "limit": 5}, [*PUBLIC, "mine"]),
    ],
)
async def test_the_list_is_filtered(tenant: Tenant, parameters: dict[str, Any], expected: list[str]) -> None:
    await an_image(tenant, architecture="aarch64", labels={"env": "prod", "team": "a"})

    assert await list_names(tenant, **parameters) == expected


async def test_images_of_a_project_are_private(tenant: Tenant, stranger: Tenant) -> None:
    image = await an_image(tenant)
    other = (await tenant.api.post("/cloud/v1/projects", json={"name": "other"})).json()["id"]

    answers = [
        await stranger.api.get(stranger.path("images", image.id)),
        await stranger.api.get(tenant.path("images", image.id)),
        await tenant.api.get(f"/cloud/v1/images/{other}/{REGION}/{image.id}"),
        await tenant.api.get(tenant.path("images", UNKNOWN_ID)),
    ]

    assert await list_names(stranger) == PUBLIC
    assert [answer.status_code for answer in answers] == [404] * 4
    assert answers[0].json()["message"] == f"Image {image.id} could not be found"
    assert answers[1].json()["message"] == f"Project {tenant.project_id} could not be found"


async def test_images_for_bare_metal_are_not_listed_but_shown(tenant: Tenant) -> None:
    image = await an_image(tenant, is_baremetal=True)

    assert await list_names(tenant) == PUBLIC
    assert (await tenant.api.get(tenant.path("images", image.id))).json()["is_baremetal"] is True


async def test_each_image_has_its_own_tags(tenant: Tenant) -> None:
    await an_image(tenant, "first", labels={"b": "2", "a": "1"}, display_order=90)
    await an_image(tenant, "second", labels={"c": "3"}, display_order=91)
    await an_image(tenant, "third", display_order=92)

    views = (await tenant.api.get(tenant.path("images"), params={"private": "yes"})).json()["results"]

    assert [[tag["key"] for tag in image["tags_v2"]] for image in views] == [["a", "b"], ["c"], []]


async def test_a_page_has_the_total_count(tenant: Tenant) -> None:
    page = (await tenant.api.get(tenant.path("images"), params={"limit": 2, "offset": 1})).json()

    assert (page["count"], [image["name"] for image in page["results"]]) == (4, PUBLIC[1:3])


async def test_prices_are_shown_on_request(tenant: Tenant) -> None:
    image = await an_image(tenant)
    query = {"include_prices": "true"}

    single = (await tenant.api.get(tenant.path("images", image.id), params=query)).json()
    listed = (await tenant.api.get(tenant.path("images"), params=query)).json()["results"]

    for view in (single, *listed):
        price = view["currency_code"], view["price_per_hour"], view["price_per_month"], view["price_status"]
        assert price == ("EUR", 0, 0, "show")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("offset", "-1"),
        ("visibility", "secret"),
        ("architecture", "vax"),
        ("include_prices", "perhaps"),
        ("tag_key_value", "env=prod"),
        ("tag_key_value", '{"env": 5}'),
        ("tag_key_value", '["env"]'),
        ("tag_key_value", ""),
    ],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(tenant.path("images"), params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


@pytest.mark.parametrize("where", ["{own}/9", "{theirs}/1", "987654321/1"])
async def test_unknown_projects_and_regions_have_no_images(tenant: Tenant, stranger: Tenant, where: str) -> None:
    place = where.format(own=tenant.project_id, theirs=stranger.project_id)

    answer = await tenant.api.get(f"/cloud/v1/images/{place}")

    assert (answer.status_code, answer.json()["exception_class"]) == (404, "NotFoundError")


async def test_the_official_client_lists_and_gets_images(tenant: Tenant) -> None:
    client = tenant.sdk.cloud.instances.images

    listed = (await client.list(os_distro="debian", include_prices=True)).results

    assert [image.name for image in listed] == ["debian-12-generic-x64"]
    assert await client.get(listed[0].id, include_prices=True) == listed[0]
    with pytest.raises(NotFoundError):
        await client.get(UNKNOWN_ID)


async def test_legacy_fields_show_the_tags(tenant: Tenant) -> None:
    image = await an_image(tenant)
    await tenant.api.patch(tenant.path("images", image.id), json={"tags": {"a": "b"}})

    view = (await tenant.api.get(tenant.path("images", image.id))).json()

    assert view["tags"] == view["tags_v2"] == view["metadata_detailed"]
    assert view["metadata"] == {"a": "b"}
