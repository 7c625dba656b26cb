"""Images of a project's own: made of volumes, fetched from the web, and made into volumes and servers."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.compute.images import GIB
from pileus.domain.faults import FaultKind
from tests.builders import FLAVOR, an_image, an_instance, disturb, driver_of
from tests.image_server import CHECKSUM, QCOW2, RAW, image_url
from tests.storage import a_volume, allow, audited, volume_now
from tests.tenants import REGION, Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"
OF_VOLUME = {"name": "golden", "architecture": "aarch64", "ssh_key": "required", "tags": {"a": "b"}}


async def shown(tenant: Tenant, image_id: str) -> dict[str, Any]:
    """An image as it is shown."""
    return dict((await tenant.api.get(tenant.path("images", image_id))).json())


async def downloaded(tenant: Tenant, path: str = "qcow2", **facts: Any) -> dict[str, Any]:
    """The ended task that was to fetch an image."""
    body = {"name": "fetched", "url": image_url(path), **facts}
    answer = await tenant.api.post(tenant.path("downloadimage"), json=body)
    assert answer.status_code == 200, answer.text
    return await tenant.ended(answer.json()["tasks"][0])


async def test_the_official_client_fetches_changes_and_deletes_an_image(tenant: Tenant) -> None:
    client = tenant.sdk.cloud.instances.images
    facts: dict[str, Any] = {"os_distro": "debian", "os_version": "12", "tags": {"a": "b"}, "cow_format": True}

    image = await client.upload_and_poll(name="fetched", url=image_url("qcow2"), **facts, polling_interval_seconds=1)
    updated = await client.update(image.id, name="renamed", ssh_key="deny", tags={"a": None, "c": "d"})
    await client.delete_and_poll(image.id, polling_interval_seconds=1)

    assert (image.name, image.status, image.size, image.min_disk) == ("fetched", "active", len(QCOW2), 5)
    assert (image.disk_format, image.os_distro, image.os_version) == ("qcow2", "debian", "12")
    assert (updated.name, updated.ssh_key, [tag.key for tag in updated.tags_v2]) == ("renamed", "deny", ["c"])
    assert (await tenant.api.get(tenant.path("images", image.id))).status_code == 404
    assert driver_of(tenant.running).image(image.id) is None


async def test_the_official_client_makes_an_image_of_a_volume(tenant: Tenant) -> None:
    volume = await a_volume(tenant, await an_instance(tenant), bootable=True, image_id=(await an_image(tenant)).id)

    image = await tenant.sdk.cloud.instances.images.create_from_volume_and_poll(
        name="golden", volume_id=volume.id, ssh_key="required", polling_interval_seconds=1
    )

    assert (image.size, image.min_disk, image.disk_format, image.status) == (10 * GIB, 10, "raw", "active")
    assert (image.os_distro, image.os_version, image.ssh_key) == ("ubuntu", "22.04", "required")
    assert (image.project_id, image.visibility) == (tenant.project_id, "private")
    after = await volume_now(tenant, volume)
    assert after is not None
    assert (after.status, after.task_id) == ("in-use", None)


async def test_the_task_tells_how_much_has_come_and_its_checksum_but_not_the_address(tenant: Tenant) -> None:
    task = await downloaded(tenant, "raw/?signature=secret")

    (image_id,) = task["created_resources"]["images"]
    told = {"image_id": image_id, "name": "fetched", "size": len(RAW), "checksum": f"sha256:{CHECKSUM}"}
    assert task["task_type"] == "download_image"
    assert task["data"] == {**told, "downloaded": len(RAW), "total": len(RAW)}
    assert [(each.action_type, each.action_data) for each in await audited(tenant)] == [
        ("download", {"name": "fetched"})
    ]
    image = await shown(tenant, image_id)
    assert (image["creator_task_id"], image["task_id"], image["os_distro"]) == (task["id"], None, "unknown")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", "The image's server answered 404 Not Found"),
        ("backed", "The image is not whole: it refers to another file"),
        ("to/http://169.254.169.254/x", "Images are not fetched from there: 169.254.169.254 is not a public address"),
    ],
)
async def test_what_cannot_be_fetched_leaves_nothing_behind(tenant: Tenant, path: str, error: str) -> None:
    task = await downloaded(tenant, path)

    assert (task["state"], task["error"], task["created_resources"]) == ("ERROR", error, None)
    assert (await tenant.api.get(tenant.path("projectimages"))).json()["count"] == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/x", "file:///etc/passwd", "example.org/x", "http://", "http://me:secret@example.org/x",
     "http://example.org:0/x", "http://[::1/x", "http://example.org:http/", "http://exa mple.org/", "", "http://ü.org/"],
)  # fmt: skip
async def test_only_addresses_of_the_web_are_taken(tenant: Tenant, url: str) -> None:
    answer = await tenant.api.post(tenant.path("downloadimage"), json={"name": "fetched", "url": url})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["url"])


async def test_images_for_bare_metal_stand_in_their_own_list(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True)
    made = await tenant.api.post(tenant.path("bmimages"), json={"name": "metal", "volume_id": volume.id})
    (image_id,) = (await tenant.finished(made))["created_resources"]["images"]
    virtual = await an_image(tenant)

    metal = (await tenant.api.get(tenant.path("bmimages"), params={"private": "yes"})).json()
    own = (await tenant.api.get(tenant.path("projectimages"), params={"include_prices": "true"})).json()
    every = (await tenant.api.get(tenant.path("bmimages"))).json()

    assert [(image["id"], image["is_baremetal"]) for image in metal["results"]] == [(image_id, True)]
    assert {image["id"] for image in own["results"]} == {image_id, virtual.id}
    assert all(image["is_baremetal"] for image in every["results"])
    assert "ubuntu-22.04-x64-ironic" in [image["name"] for image in every["results"]]


async def test_while_it_is_copied_volume_and_image_are_held(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True)
    await disturb(tenant, FaultKind.HOLD, "create_image")
    body = {"name": "golden", "volume_id": volume.id}
    first = (await tenant.api.post(tenant.path("images"), json=body)).json()["tasks"][0]
    (image,) = (await tenant.api.get(tenant.path("projectimages"))).json()["results"]

    again = await tenant.api.post(tenant.path("images"), json=body)
    refused = [
        await tenant.api.patch(tenant.path("images", image["id"]), json={"name": "other"}),
        await tenant.api.delete(tenant.path("images", image["id"])),
        await tenant.api.delete(tenant.path("volumes", volume.id)),
        await tenant.api.post(tenant.path("volumes"), json=a_disk(image["id"])),
    ]

    held = await volume_now(tenant, volume)
    assert held is not None
    assert (held.status, held.task_id, image["status"], image["task_id"]) == ("uploading", first, "queued", first)
    assert [answer.status_code for answer in (again, *refused)] == [409] * 5
    assert again.json()["message"].startswith(f"Volume {volume.id} is locked by task {first}")


def a_disk(image_id: str, size: int = 10) -> dict[str, Any]:
    """A volume of an image."""
    return {"source": "image", "image_id": image_id, "size": size, "name": "made"}


async def test_volumes_and_servers_are_made_of_a_projects_own_image(tenant: Tenant) -> None:
    (image_id,) = (await downloaded(tenant, os_distro="gentoo"))["created_resources"]["images"]
    order = {
        "name": "made",
        "flavor": FLAVOR,
        "interfaces": [{"type": "external"}],
        "volumes": [{"source": "image", "image_id": image_id, "size": 5, "boot_index": 0}],
    }

    volume = await tenant.finished(await tenant.api.post(tenant.path("volumes"), json=a_disk(image_id)))
    server = await tenant.finished(await tenant.api.post(tenant.path("instances", version=2), json=order))
    small = await tenant.api.post(tenant.path("volumes"), json=a_disk(image_id, 4))
    gone = await tenant.api.delete(tenant.path("images", image_id))

    instance = (await tenant.api.get(tenant.path("instances", server["created_resources"]["instances"][0]))).json()
    assert {tag["key"]: tag["value"] for tag in instance["tags"]}["os_distro"] == "gentoo"
    assert list(small.json()["invalid_fields"]) == ["size"]
    await tenant.finished(gone)
    made = (await tenant.api.get(tenant.path("volumes", volume["created_resources"]["volumes"][0]))).json()
    assert (made["status"], made["volume_image_metadata"]) == ("available", {"image_id": image_id})


async def test_an_image_that_is_needed_cannot_be_deleted(tenant: Tenant) -> None:
    image = await an_image(tenant)
    lasting = await an_image(tenant, cow_format=True)
    await disturb(tenant, FaultKind.HOLD, "create_volume")
    (held,) = (await tenant.api.post(tenant.path("volumes"), json=a_disk(image.id))).json()["tasks"]
    volume = await a_volume(tenant, image_id=lasting.id)

    busy = await tenant.api.delete(tenant.path("images", image.id))
    used = await tenant.api.delete(tenant.path("images", lasting.id))
    await tenant.finished(await tenant.api.delete(tenant.path("volumes", volume.id)))
    free = await tenant.api.delete(tenant.path("images", lasting.id))

    assert held
    assert (busy.status_code, busy.json()["message"].split(" volume ")[0]) == (409, f"Image {image.id} is in use by")
    assert used.json()["message"] == f"Image {lasting.id} is in use by volume {volume.id}"
    await tenant.finished(free)


async def test_an_image_is_deleted_or_used_but_not_both(tenant: Tenant) -> None:
    """Many ask at once, and what is made of it takes its time: either it is deleted, or something is made of it."""
    await disturb(tenant, FaultKind.HOLD, "create_volume")
    for _ in range(4):
        image = await an_image(tenant)
        orders = [tenant.api.post(tenant.path("volumes"), json=a_disk(image.id)) for _ in range(4)]

        *made, gone = await asyncio.gather(*orders, tenant.api.delete(tenant.path("images", image.id)))

        assert (gone.status_code == 200) == all(answer.status_code in (404, 409) for answer in made)
        assert gone.status_code in (200, 409)


async def test_a_public_image_is_nobodys_to_change(tenant: Tenant) -> None:
    (public, *_) = (await tenant.api.get(tenant.path("images"))).json()["results"]
    path = tenant.path("images", public["id"])

    answers = [
        await tenant.api.patch(path, json={"name": "mine"}),
        await tenant.api.delete(path),
        await tenant.api.post(f"{path}/metadata", json={"a": "b"}),
        await tenant.api.put(f"{path}/metadata", json={"a": "b"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert (await tenant.api.get(path)).json() == public


async def test_every_field_is_changed_by_itself_and_tags_may_not_be_null(tenant: Tenant) -> None:
    image = await an_image(tenant)
    path = tenant.path("images", image.id)
    changes = {"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_type": "windows", "is_baremetal": True}

    for name, value in changes.items():
        assert (await tenant.api.patch(path, json={name: value})).json()[name] == value
    refused = await tenant.api.patch(path, json={"tags": None})
    same = await tenant.api.patch(path, json={"tags": {}, "is_baremetal": None})

    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["tags"])
    assert {name: same.json()[name] for name in changes} == changes
    assert [each.action_type for each in await audited(tenant)] == ["update"] * 5


async def test_the_older_endpoints_for_tags_are_those_of_every_noun(tenant: Tenant) -> None:
    path = tenant.path("images", (await an_image(tenant)).id)

    await tenant.api.post(f"{path}/metadata", json={"a": "1", "b": "2"})
    await tenant.api.put(f"{path}/metadata", json={"b": "3", "c": "4"})
    await tenant.api.delete(f"{path}/metadata_item", params={"key": "c"})

    item = {"key": "b", "value": "3", "read_only": False}
    assert (await tenant.api.get(f"{path}/metadata")).json() == {"count": 1, "results": [item]}
    assert (await tenant.api.get(f"{path}/metadata_item", params={"key": "b"})).json() == item


async def test_quotas_hold_for_images_in_number_and_size(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(tenant, monkeypatch, image_count=1, image_size=20 * GIB)
    monkeypatch.setattr(tenant.running.engine, "catalogue", tenant.running.cloud.catalogue)
    volume = await a_volume(tenant, bootable=True, size=21)

    large = await tenant.api.post(tenant.path("images"), json={"name": "large", "volume_id": volume.id})
    await downloaded(tenant)
    second = await tenant.api.post(tenant.path("downloadimage"), json={"name": "second", "url": image_url()})
    allow(tenant, monkeypatch, image_size=len(QCOW2) + 100)
    monkeypatch.setattr(tenant.running.engine, "catalogue", tenant.running.cloud.catalogue)
    task = await downloaded(tenant, "raw")

    assert (large.status_code, large.json()["info"]["attribute"]) == (403, "image_size")
    assert (second.status_code, second.json()["info"]["attribute"]) == (403, "image_count")
    assert task["error"].startswith("Quota limit for image_size exceeded")
    assert (await tenant.api.get(tenant.path("projectimages"))).json()["count"] == 1


async def test_a_price_is_told_by_the_size(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = tenant.running.cloud
    dear = replace(cloud.catalogue.prices, image_per_gib_month=type(cloud.catalogue.prices.tax_percent)("0.5"))
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, prices=dear))
    image = await an_image(tenant, size=4 * GIB)

    asked = await tenant.api.post(f"/cloud/v1/pricing/{tenant.project_id}/{REGION}/images", json={"size": 4 * GIB})
    kept = await tenant.api.get(tenant.path("images", image.id), params={"include_prices": True})

    assert asked.json()["price_per_month"] == kept.json()["price_per_month"] == 2


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [({"bootable": False}, 409, "is not bootable"), ({"bootable": True, "status": "error"}, 409, "in status error")],
)
async def test_not_every_volume_can_be_made_an_image(
    tenant: Tenant, changes: dict[str, Any], status: int, told: str
) -> None:
    volume = await a_volume(tenant, **changes)

    answer = await tenant.api.post(tenant.path("images"), json={"name": "golden", "volume_id": volume.id})

    assert (answer.status_code, told in answer.json()["message"]) == (status, True)


async def test_what_others_have_cannot_be_made_an_image(tenant: Tenant, stranger: Tenant) -> None:
    volume = await a_volume(stranger, bootable=True)

    for volume_id in (volume.id, NOTHING):
        answer = await tenant.api.post(tenant.path("images"), json={"name": "golden", "volume_id": volume_id})
        assert (answer.status_code, answer.json()["message"]) == (404, f"Volume {volume_id} could not be found")
