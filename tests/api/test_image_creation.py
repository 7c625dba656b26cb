"""Images of a project: created from volumes, downloaded, and used for volumes and servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.app import run_cloud
from pileus.domain.compute.images import GIB
from pileus.domain.faults import FaultKind
from tests.app_settings import checked_settings
from tests.builders import FLAVOR, an_image, an_instance, driver_of, inject_fault
from tests.image_server import CHECKSUM, QCOW2, RAW, image_url
from tests.storage import a_volume, find_volume, list_user_actions, set_quotas
from tests.tenants import REGION, Tenant, new_tenant

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
OF_VOLUME = {"name": "golden", "architecture": "aarch64", "ssh_key": "required", "tags": {"a": "b"}}


async def get_image(tenant: Tenant, image_id: str) -> dict[str, Any]:
    """Return an image as the API shows it."""
    return dict((await tenant.api.get(tenant.path("images", image_id))).json())


async def download_image(tenant: Tenant, path: str = "qcow2", **fields: Any) -> dict[str, Any]:
    """Download an image, and return the ended task."""
    body = {"name": "fetched", "url": image_url(path), **fields}
    answer = await tenant.api.post(tenant.path("downloadimage"), json=body)
    assert answer.status_code == 200, answer.text
    return await tenant.wait_for_task(answer.json()["tasks"][0])


async def test_the_official_client_downloads_updates_and_deletes_an_image(tenant: Tenant) -> None:
    client = tenant.sdk.cloud.instances.images
    fields: dict[str, Any] = {"os_distro": "debian", "os_version": "12", "tags": {"a": "b"}, "cow_format": True}

    image = await client.upload_and_poll(name="fetched", url=image_url("qcow2"), **fields, polling_interval_seconds=1)
    updated = await client.update(image.id, name="renamed", ssh_key="deny", tags={"a": None, "c": "d"})
    await client.delete_and_poll(image.id, polling_interval_seconds=1)

    assert (image.name, image.status, image.size, image.min_disk) == ("fetched", "active", len(QCOW2), 5)
    assert (image.disk_format, image.os_distro, image.os_version) == ("qcow2", "debian", "12")
    assert (updated.name, updated.ssh_key, [tag.key for tag in updated.tags_v2]) == ("renamed", "deny", ["c"])
    assert (await tenant.api.get(tenant.path("images", image.id))).status_code == 404
    assert await driver_of(tenant.running).find_image(image.id) is None


async def test_the_official_client_creates_an_image_from_a_volume(tenant: Tenant) -> None:
    volume = await a_volume(tenant, await an_instance(tenant), bootable=True, image_id=(await an_image(tenant)).id)

    image = await tenant.sdk.cloud.instances.images.create_from_volume_and_poll(
        name="golden", volume_id=volume.id, ssh_key="required", polling_interval_seconds=1
    )

    assert (image.size, image.min_disk, image.disk_format, image.status) == (10 * GIB, 10, "raw", "active")
    assert (image.os_distro, image.os_version, image.ssh_key) == ("ubuntu", "22.04", "required")
    assert (image.project_id, image.visibility) == (tenant.project_id, "private")
    after = await find_volume(tenant, volume)
    assert after is not None
    assert (after.status, after.task_id) == ("in-use", None)


async def test_a_download_task_shows_progress_and_checksum_but_not_the_url(tenant: Tenant) -> None:
    task = await download_image(tenant, "raw/?signature=secret")

    (image_id,) = task["created_resources"]["images"]
    image_data = {"image_id": image_id, "name": "fetched", "size": len(RAW), "checksum": f"sha256:{CHECKSUM}"}
    assert task["task_type"] == "download_image"
    assert task["data"] == {**image_data, "downloaded": len(RAW), "total": len(RAW)}
    assert [(action.action_type, action.action_data) for action in await list_user_actions(tenant)] == [
        ("download", {"name": "fetched"})
    ]
    image = await get_image(tenant, image_id)
    assert (image["creator_task_id"], image["task_id"], image["os_distro"]) == (task["id"], None, "unknown")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing", "The image's server answered 404 Not Found"),
        ("with_backing_file", "The image is not complete: it refers to another file"),
        ("to/http://169.254.169.254/x", "Images are not fetched from there: 169.254.169.254 is not a public address"),
    ],
)
async def test_a_failed_download_leaves_nothing_behind(tenant: Tenant, path: str, error: str) -> None:
    task = await download_image(tenant, path)

    assert (task["state"], task["error"], task["created_resources"]) == ("ERROR", error, None)
    assert (await tenant.api.get(tenant.path("projectimages"))).json()["count"] == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/x", "file:///etc/passwd", "example.org/x", "http://", "http://me:secret@example.org/x",
     "http://example.org:0/x", "http://[::1/x", "http://example.org:http/", "http://exa mple.org/", "", "http://ü.org/"],
)  # fmt: skip
async def test_only_http_urls_are_accepted(tenant: Tenant, url: str) -> None:
    answer = await tenant.api.post(tenant.path("downloadimage"), json={"name": "fetched", "url": url})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["url"])


async def test_images_for_bare_metal_have_their_own_list(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True)
    answer = await tenant.api.post(tenant.path("bmimages"), json={"name": "metal", "volume_id": volume.id})
    (image_id,) = (await tenant.wait_until_finished(answer))["created_resources"]["images"]
    virtual = await an_image(tenant)

    metal = (await tenant.api.get(tenant.path("bmimages"), params={"private": "yes"})).json()
    own = (await tenant.api.get(tenant.path("projectimages"), params={"include_prices": "true"})).json()
    all_images = (await tenant.api.get(tenant.path("bmimages"))).json()

    assert [(image["id"], image["is_baremetal"]) for image in metal["results"]] == [(image_id, True)]
    assert {image["id"] for image in own["results"]} == {image_id, virtual.id}
    assert all(image["is_baremetal"] for image in all_images["results"])
    assert "ubuntu-22.04-x64-ironic" in [image["name"] for image in all_images["results"]]


async def test_volume_and_image_are_locked_during_the_copy(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True)
    await inject_fault(tenant, FaultKind.HOLD, "create_image")
    body = {"name": "golden", "volume_id": volume.id}
    task_id = (await tenant.api.post(tenant.path("images"), json=body)).json()["tasks"][0]
    (image,) = (await tenant.api.get(tenant.path("projectimages"))).json()["results"]

    second = await tenant.api.post(tenant.path("images"), json=body)
    refused = [
        await tenant.api.patch(tenant.path("images", image["id"]), json={"name": "other"}),
        await tenant.api.delete(tenant.path("images", image["id"])),
        await tenant.api.delete(tenant.path("volumes", volume.id)),
        await tenant.api.post(tenant.path("volumes"), json=a_volume_of(image["id"])),
    ]

    locked = await find_volume(tenant, volume)
    assert locked is not None
    assert (locked.status, locked.task_id, image["status"], image["task_id"]) == (
        "uploading",
        task_id,
        "queued",
        task_id,
    )
    assert [answer.status_code for answer in (second, *refused)] == [409] * 5
    assert second.json()["message"].startswith(
        f"Operation on resource `{volume.id}` currently locked by running task `create_image` with id `{task_id}` ("
    )


def a_volume_of(image_id: str, size: int = 10) -> dict[str, Any]:
    """Return a request for a volume from an image."""
    return {"source": "image", "image_id": image_id, "size": size, "name": "made"}


async def test_volumes_and_servers_are_created_from_an_image_of_the_project(tenant: Tenant) -> None:
    (image_id,) = (await download_image(tenant, os_distro="gentoo"))["created_resources"]["images"]
    order = {
        "name": "made",
        "flavor": FLAVOR,
        "interfaces": [{"type": "external"}],
        "volumes": [{"source": "image", "image_id": image_id, "size": 5, "boot_index": 0}],
    }

    volume = await tenant.wait_until_finished(await tenant.api.post(tenant.path("volumes"), json=a_volume_of(image_id)))
    server = await tenant.wait_until_finished(await tenant.api.post(tenant.path("instances", version=2), json=order))
    small = await tenant.api.post(tenant.path("volumes"), json=a_volume_of(image_id, 4))
    deletion = await tenant.api.delete(tenant.path("images", image_id))

    instance = (await tenant.api.get(tenant.path("instances", server["created_resources"]["instances"][0]))).json()
    assert {tag["key"]: tag["value"] for tag in instance["tags"]}["os_distro"] == "gentoo"
    assert list(small.json()["invalid_fields"]) == ["size"]
    await tenant.wait_until_finished(deletion)
    view = (await tenant.api.get(tenant.path("volumes", volume["created_resources"]["volumes"][0]))).json()
    assert (view["status"], view["volume_image_metadata"]) == ("available", {"image_id": image_id})


async def test_an_image_in_use_cannot_be_deleted(tenant: Tenant) -> None:
    image = await an_image(tenant)
    cow_image = await an_image(tenant, cow_format=True)
    await inject_fault(tenant, FaultKind.HOLD, "create_volume")
    (task_id,) = (await tenant.api.post(tenant.path("volumes"), json=a_volume_of(image.id))).json()["tasks"]
    volume = await a_volume(tenant, image_id=cow_image.id)

    in_creation = await tenant.api.delete(tenant.path("images", image.id))
    in_use = await tenant.api.delete(tenant.path("images", cow_image.id))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", volume.id)))
    unused = await tenant.api.delete(tenant.path("images", cow_image.id))

    assert task_id
    assert (in_creation.status_code, in_creation.json()["message"].split(" volume ")[0]) == (
        409,
        f"Image {image.id} is in use by",
    )
    assert in_use.json()["message"] == f"Image {cow_image.id} is in use by volume {volume.id}"
    await tenant.wait_until_finished(unused)


async def test_concurrent_use_and_deletion_exclude_each_other(tenant: Tenant) -> None:
    """Volumes are created slowly: either the image is deleted, or a volume is created from it."""
    await inject_fault(tenant, FaultKind.HOLD, "create_volume")
    for _ in range(4):
        image = await an_image(tenant)
        orders = [tenant.api.post(tenant.path("volumes"), json=a_volume_of(image.id)) for _ in range(4)]

        *creations, deletion = await asyncio.gather(*orders, tenant.api.delete(tenant.path("images", image.id)))

        assert (deletion.status_code == 200) == all(answer.status_code in (404, 409) for answer in creations)
        assert deletion.status_code in (200, 409)


async def test_a_public_image_cannot_be_changed(tenant: Tenant) -> None:
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


async def test_each_field_is_updated_and_null_tags_are_invalid(tenant: Tenant) -> None:
    image = await an_image(tenant)
    path = tenant.path("images", image.id)
    changes = {"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_type": "windows", "is_baremetal": True}

    for name, value in changes.items():
        assert (await tenant.api.patch(path, json={name: value})).json()[name] == value
    refused = await tenant.api.patch(path, json={"tags": None})
    unchanged = await tenant.api.patch(path, json={"tags": {}, "is_baremetal": None})

    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["tags"])
    assert {name: unchanged.json()[name] for name in changes} == changes
    assert [action.action_type for action in await list_user_actions(tenant)] == ["update"] * 5


async def test_the_deprecated_routes_for_tags_work_for_images(tenant: Tenant) -> None:
    path = tenant.path("images", (await an_image(tenant)).id)

    await tenant.api.post(f"{path}/metadata", json={"a": "1", "b": "2"})
    await tenant.api.put(f"{path}/metadata", json={"b": "3", "c": "4"})
    await tenant.api.delete(f"{path}/metadata_item", params={"key": "c"})

    item = {"key": "b", "value": "3", "read_only": False}
    assert (await tenant.api.get(f"{path}/metadata")).json() == {"count": 1, "results": [item]}
    assert (await tenant.api.get(f"{path}/metadata_item", params={"key": "b"})).json() == item


async def test_quotas_limit_number_and_size_of_images(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, image_count=1, image_size=20 * GIB)
    monkeypatch.setattr(tenant.running.engine, "catalogue", tenant.running.app_state.catalogue)
    volume = await a_volume(tenant, bootable=True, size=21)

    large = await tenant.api.post(tenant.path("images"), json={"name": "large", "volume_id": volume.id})
    await download_image(tenant)
    second = await tenant.api.post(tenant.path("downloadimage"), json={"name": "second", "url": image_url()})
    set_quotas(tenant, monkeypatch, image_size=len(QCOW2) + 100)
    monkeypatch.setattr(tenant.running.engine, "catalogue", tenant.running.app_state.catalogue)
    task = await download_image(tenant, "raw")

    assert (large.status_code, large.json()["info"]["attribute"]) == (400, "image_size")
    assert (second.status_code, second.json()["info"]["attribute"]) == (400, "image_count")
    assert task["error"].startswith("Quota limit for image_size exceeded")
    assert (await tenant.api.get(tenant.path("projectimages"))).json()["count"] == 1


async def test_a_price_depends_on_the_size(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = tenant.running.app_state
    prices = replace(cloud.catalogue.prices, image_per_gib_month=type(cloud.catalogue.prices.tax_percent)("0.5"))
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, prices=prices))
    image = await an_image(tenant, size=4 * GIB)

    preview = await tenant.api.post(f"/cloud/v1/pricing/{tenant.project_id}/{REGION}/images", json={"size": 4 * GIB})
    view = await tenant.api.get(tenant.path("images", image.id), params={"include_prices": True})

    assert preview.json()["price_per_month"] == view.json()["price_per_month"] == 2


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [({"bootable": False}, 400, "is not bootable"), ({"bootable": True, "status": "error"}, 409, "in status error")],
)
async def test_unsuitable_volumes_cannot_become_images(
    tenant: Tenant, changes: dict[str, Any], status: int, message: str
) -> None:
    volume = await a_volume(tenant, **changes)

    answer = await tenant.api.post(tenant.path("images"), json={"name": "golden", "volume_id": volume.id})

    assert (answer.status_code, message in answer.json()["message"]) == (status, True)


async def test_volumes_of_other_tenants_cannot_become_images(tenant: Tenant, stranger: Tenant) -> None:
    volume = await a_volume(stranger, bootable=True)

    for volume_id in (volume.id, UNKNOWN_ID):
        answer = await tenant.api.post(tenant.path("images"), json={"name": "golden", "volume_id": volume_id})
        assert (answer.status_code, answer.json()["message"]) == (404, f"Volume {volume_id} could not be found")


@pytest.fixture
async def offline(tmp_path: Path) -> AsyncIterator[Tenant]:
    """A tenant of a simulated cloud with the default settings."""
    async with run_cloud(checked_settings(data=tmp_path, log_level="error")) as cloud, new_tenant(cloud) as tenant:
        yield tenant


async def test_the_simulated_cloud_takes_an_image_from_its_address_without_a_download(offline: Tenant) -> None:
    images = offline.sdk.cloud.instances.images
    url = "https://images.invalid/debian-12.qcow2"

    image = await images.upload_and_poll(name="debian", url=url)
    signed = await images.upload_and_poll(name="signed", url=f"{url}?signature=secret")
    other = await images.upload_and_poll(name="other", url="https://images.invalid/debian-13.raw")
    volume = await offline.sdk.cloud.volumes.create_and_poll(name="boot", source="image", image_id=image.id, size=2)

    assert (image.status, image.disk_format, image.min_disk) == ("active", "qcow2", 2)
    assert (signed.size, signed.disk_format) == (image.size, image.disk_format)
    assert (other.disk_format, other.min_disk, other.size == image.size) == ("raw", 1, False)
    assert volume.bootable


async def test_an_image_without_a_download_counts_against_the_quota(offline: Tenant) -> None:
    quotas = f"/_pileus/quotas/{REGION}?client_id={offline.client_id}"
    await offline.operator.put(quotas, json={"image_size_limit": 1 << 20})

    task = await download_image(offline)

    assert (task["state"], "Quota limit for image_size exceeded" in task["error"]) == ("ERROR", True)


async def test_an_injected_failure_ends_a_download_that_fetches_nothing(offline: Tenant) -> None:
    await inject_fault(offline, FaultKind.FAIL, "download_image")

    task = await download_image(offline)

    assert task["state"] == "ERROR"
    assert (await offline.api.get(offline.path("projectimages"))).json()["count"] == 0
