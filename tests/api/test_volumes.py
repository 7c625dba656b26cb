"""Create, read, update and delete volumes."""

import asyncio
from typing import Any

import httpx
import pytest
from gcore import BadRequestError

from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.faults import FaultKind
from pileus.domain.storage.volumes import VolumeStatus
from pileus.store import faults
from tests.builders import BARE_METAL, an_instance, driver_of, reload_instance
from tests.simulated_cloud import count_machines_volumes_and_nics, find_simulated_volume
from tests.storage import a_snapshot, a_volume, find_volume, inject_fault, list_snapshots, list_user_actions, set_quotas
from tests.tenants import REGION, Tenant

UBUNTU = derive_public_image_id(REGION, "ubuntu-22.04-x64")
IRONIC = derive_public_image_id(REGION, "ubuntu-22.04-x64-ironic")
NOTHING = "00000000-0000-4000-8000-000000000000"
BLANK = {"source": "new-volume", "name": "data", "size": 10}


async def post_volume(tenant: Tenant, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("volumes"), json={**BLANK, **body})


async def create(tenant: Tenant, **body: Any) -> dict[str, Any]:
    task = await tenant.wait_until_finished(await post_volume(tenant, **body))
    return await get_view(tenant, task["created_resources"]["volumes"][0])


async def get_view(tenant: Tenant, volume_id: str) -> dict[str, Any]:
    answer = await tenant.api.get(tenant.path("volumes", volume_id))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def list_all(tenant: Tenant) -> list[dict[str, Any]]:
    return list((await tenant.api.get(tenant.path("volumes"))).json()["results"])


async def test_an_empty_volume_is_created_and_returned_with_all_fields(tenant: Tenant) -> None:
    task = await tenant.wait_until_finished(await post_volume(tenant, tags={"of": "mine"}))

    (volume_id,) = task["created_resources"]["volumes"]
    volume = await get_view(tenant, volume_id)
    assert (task["task_type"], task["data"]["volume_id"]) == ("create_volume", volume_id)
    assert (volume["size"], volume["volume_type"], volume["status"]) == (10, "standard", "available")
    assert (volume["bootable"], volume["is_root_volume"]) == (False, False)
    assert (volume["attachments"], volume["snapshot_ids"], volume["volume_image_metadata"]) == ([], [], None)
    assert (volume["task_id"], volume["creator_task_id"]) == (None, task["id"])
    assert volume["tags"] == [
        {"key": "of", "value": "mine", "read_only": False},
        {"key": "task_id", "value": task["id"], "read_only": True},
    ]
    assert volume["created_at"].endswith("+0000")
    assert await find_simulated_volume(tenant.running.app_state.db, volume_id) == (10, "standard", None, None)


async def test_a_volume_from_an_image_is_bootable_and_has_the_image_metadata(tenant: Tenant) -> None:
    volume = await create(tenant, source="image", image_id=UBUNTU, size=20, type_name="ssd_hiiops")

    assert (volume["bootable"], volume["volume_type"], volume["size"]) == (True, "ssd_hiiops", 20)
    image = volume["volume_image_metadata"]
    assert (image["image_id"], image["image_name"], image["os_distro"]) == (UBUNTU, "ubuntu-22.04-x64", "ubuntu")


async def test_a_volume_from_a_snapshot_is_like_the_original_volume(tenant: Tenant) -> None:
    origin = await a_volume(tenant, size=7, type_name="ssd_hiiops", bootable=True, image_id=UBUNTU)
    snapshot = await a_snapshot(tenant, origin)

    volume = await create(tenant, source="snapshot", snapshot_id=snapshot.id, size=7)
    other = await create(tenant, source="snapshot", snapshot_id=snapshot.id, size=None, type_name="standard")

    assert (volume["size"], volume["volume_type"], volume["bootable"]) == (7, "ssd_hiiops", True)
    assert volume["volume_image_metadata"]["image_id"] == UBUNTU
    assert (other["size"], other["volume_type"]) == (7, "standard")


@pytest.mark.parametrize(
    ("name", "iops", "mbps"),
    [("standard", 60, 4), ("ssd_hiiops", 600, 25), ("ssd_lowlatency", 5000, 300), ("cold", 1000, 100)],
)
async def test_each_volume_type_has_its_own_speed_limits(tenant: Tenant, name: str, iops: int, mbps: int) -> None:
    volume = await create(tenant, type_name=name)

    assert volume["limiter_stats"] == {
        "iops_base_limit": iops,
        "iops_burst_limit": iops,
        "MBps_base_limit": mbps,
        "MBps_burst_limit": mbps,
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "name"),
        ({"name": None}, "name"),
        ({"size": 0}, "size"),
        ({"size": 102401}, "size"),
        ({"size": None}, "size"),
        ({"type_name": "gold"}, "type_name"),
        ({"source": "image", "image_id": UBUNTU, "size": 1}, "size"),
        ({"source": "image", "image_id": IRONIC, "size": 50}, "image_id"),
        ({"source": "image", "image_id": UBUNTU, "size": None}, "size"),
        ({"source": "image", "image_id": "ubuntu"}, "image_id"),
        ({"source": "air"}, "body"),
        ({"tags": {"a b": "c"}}, "tags"),
        ({"attachment_tag": "a,b"}, "attachment_tag"),
    ],
)
async def test_an_invalid_new_volume_names_the_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await post_volume(tenant, **body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field]), answer.text
    assert await list_all(tenant) == []


@pytest.mark.parametrize("size", [4, 6])
async def test_a_volume_from_a_snapshot_has_its_size(tenant: Tenant, size: int) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant, size=5))

    answer = await post_volume(tenant, source="snapshot", snapshot_id=snapshot.id, size=size)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["size"])


async def test_only_types_that_support_snapshots_can_be_created_from_one(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant))

    answer = await post_volume(tenant, source="snapshot", snapshot_id=snapshot.id, type_name="cold")

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["type_name"])


@pytest.mark.parametrize(
    ("source", "named", "message"),
    [
        ("image", "image_id", f"Image {NOTHING} not found"),
        ("snapshot", "snapshot_id", f"Snapshot {NOTHING} could not be found"),
    ],
)
async def test_a_missing_source_is_404(tenant: Tenant, source: str, named: str, message: str) -> None:
    answer = await post_volume(tenant, source=source, **{named: NOTHING})

    assert (answer.status_code, answer.json()["message"]) == (404, message)


async def test_another_tenants_snapshot_is_404(tenant: Tenant, stranger: Tenant) -> None:
    snapshot = await a_snapshot(stranger, await a_volume(stranger))

    answer = await post_volume(tenant, source="snapshot", snapshot_id=snapshot.id)

    assert answer.status_code == 404


async def test_a_snapshot_that_is_not_available_is_409(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant), status="creating")

    assert (await post_volume(tenant, source="snapshot", snapshot_id=snapshot.id)).status_code == 409


async def test_a_volume_can_be_attached_at_creation(tenant: Tenant) -> None:
    instance = await an_instance(tenant, name="host")

    volume = await create(tenant, instance_id_to_attach_to=instance.id, attachment_tag="logs")

    (attachment,) = volume["attachments"]
    assert volume["status"] == "in-use"
    assert (attachment["server_id"], attachment["instance_name"]) == (instance.id, "host")
    assert (attachment["device"], attachment["flavor_id"]) == ("/dev/vdb", instance.flavor_id)
    assert await find_simulated_volume(tenant.running.app_state.db, volume["id"]) == (10, "standard", instance.id, None)
    assert (await reload_instance(tenant, instance)).task_id is None


async def test_volume_and_instance_are_locked_during_the_creation(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "create_volume")

    answer = await post_volume(tenant, instance_id_to_attach_to=instance.id)

    (volume,) = (item for item in await list_all(tenant) if item["name"] == "data")
    assert (volume["status"], [volume["task_id"]]) == ("creating", answer.json()["tasks"])
    assert [(await reload_instance(tenant, instance)).task_id] == answer.json()["tasks"]
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


@pytest.mark.parametrize("step", ["create the volume", "attach the volume"])
async def test_a_failed_creation_leaves_nothing(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    before = await count_machines_volumes_and_nics(tenant.running.app_state.db)
    await inject_fault(tenant, FaultKind.FAIL, "create_volume", step)

    answer = await post_volume(tenant, instance_id_to_attach_to=instance.id)

    task = await tenant.wait_for_task(answer.json()["tasks"][0])
    assert (task["state"], task["error"], task["created_resources"]) == ("ERROR", "No disk", None)
    assert [volume["name"] for volume in await list_all(tenant)] == ["web_bootvolume"]
    assert await count_machines_volumes_and_nics(tenant.running.app_state.db) == before
    assert (await reload_instance(tenant, instance)).task_id is None


async def test_a_volume_cannot_be_attached_to_a_bare_metal_server(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)

    assert (await post_volume(tenant, instance_id_to_attach_to=server.id)).status_code == 400
    assert await list_all(tenant) == []


@pytest.mark.parametrize(("quota", "limit"), [("volume_count", 1), ("volume_size", 19)])
async def test_an_exceeded_quota_is_400_with_its_numbers(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, quota: str, limit: int
) -> None:
    await a_volume(tenant)
    set_quotas(tenant, monkeypatch, **{quota: limit})

    answer = await post_volume(tenant)

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "QuotaLimitExceed")
    assert answer.json()["info"]["attribute"] == quota
    assert answer.json()["info"]["limit"] == limit
    with pytest.raises(BadRequestError, match=rf"Quota limit for {quota} exceeded by \d"):
        await tenant.sdk.cloud.volumes.create(source="new-volume", name="logs", size=10)


async def test_concurrent_creations_do_not_exceed_the_quota(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, volume_size=35)

    answers = await asyncio.gather(*(post_volume(tenant) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 7
    assert len(await list_all(tenant)) == 3
    for answer in answers:
        if answer.status_code == 200:
            await tenant.wait_until_finished(answer)


async def test_name_and_tags_are_changed_by_merge_patch(tenant: Tenant) -> None:
    volume = await create(tenant, tags={"a": "1", "b": "2"})
    path = tenant.path("volumes", volume["id"])

    answer = await tenant.api.patch(path, json={"name": "other", "tags": {"a": None, "c": "3", "task_id": "mine"}})

    assert answer.status_code == 200
    assert answer.json() == await get_view(tenant, volume["id"])
    assert answer.json()["name"] == "other"
    tags = {tag["key"]: tag["value"] for tag in answer.json()["tags"]}
    assert tags == {"b": "2", "c": "3", "task_id": volume["creator_task_id"]}
    assert [tag["key"] for tag in (await tenant.api.patch(path, json={"tags": None})).json()["tags"]] == ["task_id"]
    assert (await tenant.api.patch(path, json={})).json()["name"] == "other"


@pytest.mark.parametrize("body", [{"name": "x"}, {"name": None}, {"tags": {"a=b": "c"}}, {"tags": []}])
async def test_an_invalid_patch_changes_nothing(tenant: Tenant, body: dict[str, Any]) -> None:
    volume = await a_volume(tenant)

    assert (await tenant.api.patch(tenant.path("volumes", volume.id), json=body)).status_code == 400
    assert await find_volume(tenant, volume) == volume


async def test_concurrent_patches_of_different_tags_are_all_applied(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    path = tenant.path("volumes", volume.id)

    answers = await asyncio.gather(*(tenant.api.patch(path, json={"tags": {f"k{at}": "v"}}) for at in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert len((await get_view(tenant, volume.id))["tags"]) == 10


async def test_a_volume_is_deleted_with_its_snapshots(tenant: Tenant) -> None:
    volume = await a_volume(tenant, labels={"a": "b"})
    taken = [await a_snapshot(tenant, volume, labels={"a": "b"}) for _ in range(2)]

    answer = await tenant.api.delete(tenant.path("volumes", volume.id), params={"snapshots": taken[0].id})
    task = await tenant.wait_until_finished(answer)

    assert (task["task_type"], task["data"], task["created_resources"]) == (
        "delete_volume",
        {"volume_id": volume.id},
        None,
    )
    assert await find_volume(tenant, volume) is None
    assert await list_snapshots(tenant, volume) == []
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) is None
    assert not {snapshot.id for snapshot in taken} & set(await driver_of(tenant.running).volume_ids_by_snapshot_id())
    async with tenant.running.app_state.db.read() as tx:
        left = await tx.all("SELECT * FROM tags WHERE project_id = :id", id=tenant.project_id)
    assert list(left) == []


async def test_a_snapshot_of_another_volume_is_ignored_by_the_deletion(tenant: Tenant) -> None:
    volume, other_volume = await a_volume(tenant), await a_volume(tenant)
    other = await a_snapshot(tenant, other_volume)

    answer = await tenant.api.delete(tenant.path("volumes", volume.id), params={"snapshots": f"{other.id},unknown"})
    await tenant.wait_until_finished(answer)

    assert await find_volume(tenant, volume) is None
    assert [snapshot.id for snapshot in await list_snapshots(tenant, other_volume)] == [other.id]


async def test_an_attached_volume_cannot_be_deleted(tenant: Tenant) -> None:
    volume = await a_volume(tenant, await an_instance(tenant))

    answer = await tenant.api.delete(tenant.path("volumes", volume.id))

    assert answer.json()["message"] == f"Cannot delete volume {volume.id} in status in-use"
    assert answer.status_code == 409


async def test_a_volume_with_a_snapshot_in_creation_cannot_be_deleted(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume, status="creating", task_id=NOTHING)

    assert (await tenant.api.delete(tenant.path("volumes", volume.id))).status_code == 409
    assert await find_volume(tenant, volume) == volume


@pytest.mark.parametrize("step", ["delete snapshots", "delete the volume"])
async def test_a_failed_deletion_can_be_repeated(tenant: Tenant, step: str) -> None:
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume)
    await inject_fault(tenant, FaultKind.FAIL, "delete_volume", step)

    task = await tenant.wait_for_task((await tenant.api.delete(tenant.path("volumes", volume.id))).json()["tasks"][0])

    assert task["state"] == "ERROR"
    assert (await get_view(tenant, volume.id))["status"] == VolumeStatus.ERROR_DELETING
    assert {snapshot.status for snapshot in await list_snapshots(tenant, volume)} <= {"error_deleting"}
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", volume.id)))
    assert await find_volume(tenant, volume) is None


async def test_a_locked_volume_cannot_be_changed(tenant: Tenant) -> None:
    volume, path = await a_volume(tenant, task_id=NOTHING), tenant.path("volumes")
    body = {"instance_id": NOTHING, "name": "other", "size": 20, "volume_type": "ssd_hiiops"}

    answers = [
        await tenant.api.patch(f"{path}/{volume.id}", json=body),
        await tenant.api.delete(f"{path}/{volume.id}"),
        *[await tenant.api.post(f"{path}/{volume.id}/{verb}", json=body) for verb in ("extend", "retype", "revert")],
        await tenant.api.post(tenant.path("volumes", volume.id, "attach", version=2), json=body),
        await tenant.api.post(f"{path}/{volume.id}/attach", json=body),
        await tenant.api.post(tenant.path("snapshots"), json={"volume_id": volume.id, "name": "now"}),
        await tenant.api.put(f"{path}/{volume.id}/metadata", json={"a": "b"}),
    ]

    assert {answer.status_code for answer in answers} == {409}
    assert await find_volume(tenant, volume) == volume


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    volume = await create(tenant)
    await tenant.api.patch(tenant.path("volumes", volume["id"]), json={"name": "other"})
    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", volume["id"])))

    lines = await list_user_actions(tenant)
    assert [(line.api_group, line.action_type) for line in lines] == [
        ("volume", "create"),
        ("volume", "update"),
        ("volume", "delete"),
    ]
    assert lines[-1].task_id == task["id"]
    assert {line.resources[0]["resource_id"] for line in lines} == {volume["id"]}


async def test_older_clients_get_tags_under_the_older_names(tenant: Tenant) -> None:
    volume = await a_volume(tenant, labels={"a": "b"})

    view = await get_view(tenant, volume.id)

    assert view["metadata"] == {"a": "b"}
    assert view["metadata_detailed"] == view["tags"]
    assert (await list_all(tenant))[0] == view


async def test_older_clients_can_send_metadata(tenant: Tenant) -> None:
    volume = await create(tenant, metadata={"a": "b"}, instance_id_to_attach_to="")

    assert [tag["key"] for tag in volume["tags"]] == ["a", "task_id"]


async def test_creation_in_a_missing_project_or_region_is_404(tenant: Tenant) -> None:
    for path in (f"/cloud/v1/volumes/{tenant.project_id}/9", f"/cloud/v1/volumes/999999/{REGION}"):
        assert (await tenant.api.post(path, json=BLANK)).status_code == 404
        assert (await tenant.api.get(path)).status_code == 404
