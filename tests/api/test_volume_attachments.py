"""Attach volumes to instances and detach them."""

import asyncio
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import Instance
from pileus.domain.faults import FaultKind
from pileus.domain.storage.volumes import Volume
from pileus.store import faults
from pileus.store.storage import attachments
from tests.builders import BARE_METAL, an_instance, driver_of, reload_instance
from tests.simulated_cloud import find_simulated_volume
from tests.storage import a_snapshot, a_volume, find_volume, inject_fault, list_snapshots, list_user_actions
from tests.tenants import Tenant

SHARED = "g1s-shared-1-0.5"
NOTHING = "00000000-0000-4000-8000-000000000000"


async def post_attachment(
    tenant: Tenant, volume: Volume, instance: Instance, verb: str = "attach", *, version: int = 2, **more: Any
) -> httpx.Response:
    path = tenant.path("volumes", volume.id, verb, version=version)
    return await tenant.api.post(path, json={"instance_id": instance.id, **more})


async def get_volume(tenant: Tenant, volume: Volume) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("volumes", volume.id))).json())


async def list_attached_volume_ids(tenant: Tenant, instance: Instance) -> list[str]:
    """Return the ids of the volumes in the view of an instance."""
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    return [volume["id"] for volume in view["volumes"]]


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"])
async def test_a_volume_is_attached_and_detached(tenant: Tenant, status: str) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant, status=status)

    task = await tenant.wait_until_finished(await post_attachment(tenant, volume, instance, attachment_tag="logs"))

    (attachment,) = (await get_volume(tenant, volume))["attachments"]
    assert (task["task_type"], task["created_resources"]) == ("attach_volume", None)
    assert task["data"] == {"volume_id": volume.id, "instance_id": instance.id, "attachment_tag": "logs"}
    assert (attachment["server_id"], attachment["device"]) == (instance.id, "/dev/vdb")
    assert (await get_volume(tenant, volume))["status"] == "in-use"
    assert volume.id in await list_attached_volume_ids(tenant, instance)
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) == (10, "standard", instance.id, None)

    task = await tenant.wait_until_finished(await post_attachment(tenant, volume, instance, "detach"))

    after = await get_volume(tenant, volume)
    assert (task["task_type"], task["data"]) == (
        "detach_volume",
        {"volume_id": volume.id, "instance_id": instance.id},
    )
    assert (after["status"], after["attachments"], after["task_id"]) == ("available", [], None)
    assert volume.id not in await list_attached_volume_ids(tenant, instance)
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) == (10, "standard", None, None)
    assert (await reload_instance(tenant, instance)).task_id is None


async def test_each_volume_gets_the_first_free_device_name(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    disks = [await a_volume(tenant, name=f"disk-{at}") for at in range(3)]
    for volume in disks:
        await tenant.wait_until_finished(await post_attachment(tenant, volume, instance))

    await tenant.wait_until_finished(await post_attachment(tenant, disks[0], instance, "detach"))
    await tenant.wait_until_finished(await post_attachment(tenant, again := await a_volume(tenant), instance))

    devices = {volume.id: (await get_volume(tenant, volume))["attachments"] for volume in (*disks[1:], again)}
    assert [attachment["device"] for (attachment,) in devices.values()] == ["/dev/vdc", "/dev/vdd", "/dev/vdb"]


async def test_the_older_endpoints_return_the_volume(tenant: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)

    attached = await post_attachment(tenant, volume, instance, version=1)
    detached = await post_attachment(tenant, volume, instance, "detach", version=1)

    assert (attached.status_code, attached.json()["status"], attached.json()["task_id"]) == (200, "in-use", None)
    assert attached.json()["attachments"][0]["server_id"] == instance.id
    assert (detached.status_code, detached.json()) == (200, await get_volume(tenant, volume))
    assert detached.json()["status"] == "available"


async def test_an_older_endpoint_returns_the_current_volume_after_a_timeout(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "attach_volume")
    monkeypatch.setattr(tenant.running.app_state, "patience", 0.01)

    answer = await post_attachment(tenant, volume, instance, version=1)

    assert (answer.status_code, answer.json()["status"]) == (200, "attaching")
    assert (await reload_instance(tenant, instance)).task_id == answer.json()["task_id"]


@pytest.mark.parametrize("status", ["creating", "in-use", "error", "error_deleting", "reserved"])
async def test_only_an_available_volume_can_be_attached(tenant: Tenant, status: str) -> None:
    volume, instance = await a_volume(tenant, status=status), await an_instance(tenant)

    answer = await post_attachment(tenant, volume, instance)

    assert (answer.status_code, answer.json()["message"]) == (
        409,
        f"Cannot attach volume {volume.id} in status {status}",
    )


@pytest.mark.parametrize(
    "fields",
    [{"flavor_id": BARE_METAL}, {"status": "BUILD"}, {"status": "ERROR"}, {"task_id": NOTHING}, {"status": "RESIZE"}],
)
async def test_some_instances_cannot_have_volumes_attached(tenant: Tenant, fields: dict[str, Any]) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant, **fields)

    assert (await post_attachment(tenant, volume, instance)).status_code == (400 if "flavor_id" in fields else 409)
    assert await find_volume(tenant, volume) == volume
    assert await reload_instance(tenant, instance) == instance


@pytest.mark.parametrize("flavor_id", [SHARED, "g1-standard-1-2"])
async def test_an_ultra_volume_needs_an_instance_with_a_shared_flavor(tenant: Tenant, flavor_id: str) -> None:
    volume, instance = await a_volume(tenant, type_name="ultra"), await an_instance(tenant, flavor_id=flavor_id)

    answer = await post_attachment(tenant, volume, instance)

    assert answer.status_code == (200 if flavor_id == SHARED else 400)
    if flavor_id == SHARED:
        await tenant.wait_until_finished(answer)


async def test_an_attachment_tag_is_unique_in_an_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.wait_until_finished(
        await post_attachment(tenant, await a_volume(tenant), instance, attachment_tag="logs")
    )

    answer = await post_attachment(tenant, await a_volume(tenant), instance, attachment_tag="logs")

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["attachment_tag"])


async def test_another_tenants_volume_or_instance_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(stranger)

    theirs = await post_attachment(tenant, volume, instance)
    mine = await post_attachment(stranger, volume, instance)

    assert (theirs.status_code, theirs.json()["message"]) == (404, f"Instance {instance.id} could not be found")
    assert (mine.status_code, mine.json()["message"]) == (404, f"Volume {volume.id} could not be found")


async def test_a_boot_volume_cannot_be_detached(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (root,) = await list_attached_volume_ids(tenant, instance)

    answer = await tenant.api.post(tenant.path("volumes", root, "detach", version=2), json={"instance_id": instance.id})

    assert answer.status_code == 400
    assert (
        answer.json()["message"] == f"Volume {root} is the boot volume of instance {instance.id}: it cannot be detached"
    )


async def test_a_volume_can_be_detached_only_from_its_own_instance(tenant: Tenant) -> None:
    instance, other = await an_instance(tenant), await an_instance(tenant)
    volume, detached = await a_volume(tenant, instance), await a_volume(tenant)

    for candidate, target in ((volume, other), (detached, instance)):
        answer = await post_attachment(tenant, candidate, target, "detach")
        assert (answer.status_code, answer.json()["message"]) == (
            404,
            f"Volume {candidate.id} is not attached to instance {target.id}",
        )


@pytest.mark.parametrize("verb", ["attach", "detach"])
async def test_a_failed_task_restores_the_attachment(tenant: Tenant, verb: str) -> None:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance if verb == "detach" else None)
    before = await get_volume(tenant, volume)
    await inject_fault(tenant, FaultKind.FAIL, f"{verb}_volume")

    task = await tenant.wait_for_task((await post_attachment(tenant, volume, instance, verb)).json()["tasks"][0])

    after = await get_volume(tenant, volume)
    assert (task["state"], task["error"]) == ("ERROR", "No disk")
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}
    assert (await reload_instance(tenant, instance)).task_id is None
    hangs = await find_simulated_volume(tenant.running.app_state.db, volume.id)
    assert hangs == (10, "standard", instance.id if verb == "detach" else None, None)


async def test_volume_and_instance_are_locked_during_the_task(tenant: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "attach_volume")

    answer = await post_attachment(tenant, volume, instance)

    attaching = await get_volume(tenant, volume)
    assert (attaching["status"], [attaching["task_id"]]) == ("attaching", answer.json()["tasks"])
    assert [(await reload_instance(tenant, instance)).task_id] == answer.json()["tasks"]
    assert (await post_attachment(tenant, await a_volume(tenant), instance)).status_code == 409
    assert (await tenant.api.delete(tenant.path("instances", instance.id))).status_code == 409
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


async def test_of_concurrent_attach_requests_exactly_one_succeeds(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    servers = [await an_instance(tenant) for _ in range(8)]

    answers = await asyncio.gather(*(post_attachment(tenant, volume, server) for server in servers))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    (won,) = (server for server, answer in zip(servers, answers, strict=True) if answer.status_code == 200)
    await tenant.wait_until_finished(next(answer for answer in answers if answer.status_code == 200))
    assert [item["server_id"] for item in (await get_volume(tenant, volume))["attachments"]] == [won.id]
    assert [(await reload_instance(tenant, server)).task_id for server in servers] == [None] * 8
    async with tenant.running.app_state.db.read() as tx:
        assert len(await attachments.TABLE.find(tx, "volume_id = :id", id=volume.id)) == 1


async def test_of_concurrent_extend_and_attach_one_is_409(tenant: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "extend_volume")
    await inject_fault(tenant, FaultKind.HOLD, "attach_volume")

    answers = await asyncio.gather(
        post_attachment(tenant, volume, instance),
        tenant.api.post(tenant.path("volumes", volume.id, "extend"), json={"size": 20}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(next(answer for answer in answers if answer.status_code == 200))
    after = await get_volume(tenant, volume)
    assert (after["size"], after["status"]) in [(10, "in-use"), (20, "available")]
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) in [
        (10, "standard", instance.id, None),
        (20, "standard", None, None),
    ]


async def test_a_volume_deleted_with_its_instance_is_deleted_with_its_snapshots(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    going, staying = await a_volume(tenant, instance), await a_volume(tenant, instance)
    lost, kept = await a_snapshot(tenant, going, labels={"a": "b"}), await a_snapshot(tenant, staying)

    answer = await tenant.api.delete(tenant.path("instances", instance.id), params={"volumes": going.id})
    await tenant.wait_until_finished(answer)

    assert (await find_volume(tenant, going), await list_snapshots(tenant, going)) == (None, [])
    assert await list_snapshots(tenant, staying) == [kept]
    assert (await get_volume(tenant, staying))["status"] == "available"
    assert lost.id not in await driver_of(tenant.running).volume_ids_by_snapshot_id()


async def test_an_instance_with_a_locked_volume_cannot_be_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance, status="extending", task_id=NOTHING)
    instance = await reload_instance(tenant, instance)

    answer = await tenant.api.delete(tenant.path("instances", instance.id))

    assert (answer.status_code, await find_volume(tenant, volume)) == (409, volume)
    assert await reload_instance(tenant, instance) == instance


async def test_the_volumes_of_an_instance_in_deletion_are_locked(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance)
    await inject_fault(tenant, FaultKind.HOLD, "delete_vm")

    answer = await tenant.api.delete(tenant.path("instances", instance.id))

    assert [(await get_volume(tenant, volume))["task_id"]] == answer.json()["tasks"]
    extending = tenant.path("volumes", volume.id, "extend")
    assert (await tenant.api.post(extending, json={"size": 20})).status_code == 409
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)
    assert ((await get_volume(tenant, volume))["status"], (await get_volume(tenant, volume))["task_id"]) == (
        "available",
        None,
    )


async def test_attach_and_detach_are_in_the_audit_log_with_their_tasks(tenant: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    done = [
        await tenant.wait_until_finished(await post_attachment(tenant, volume, instance, verb))
        for verb in ("attach", "detach")
    ]

    lines = await list_user_actions(tenant)
    assert [(line.api_group, line.action_type, line.task_id) for line in lines] == [
        ("volume", "attach", done[0]["id"]),
        ("volume", "detach", done[1]["id"]),
    ]


async def test_a_reader_cannot_attach(tenant: Tenant) -> None:
    volume, instance = await a_volume(tenant), await an_instance(tenant)

    for verb in ("attach", "detach"):
        for version in (1, 2):
            path = tenant.path("volumes", volume.id, verb, version=version)
            answer = await tenant.clients[Role.USERS].post(path, json={"instance_id": instance.id})
            assert answer.status_code == 403
