"""Create, list, update and delete snapshots."""

import asyncio
from typing import Any

import httpx
import pytest

from pileus.domain.faults import FaultKind
from pileus.domain.storage.volumes import Volume
from pileus.store import faults
from tests.builders import an_instance, driver_of
from tests.storage import a_snapshot, a_volume, inject_fault, list_snapshots, list_user_actions, set_quotas
from tests.tenants import Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"


async def post_snapshot(tenant: Tenant, volume: Volume, **more: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("snapshots"), json={"volume_id": volume.id, "name": "before", **more})


async def get_view(tenant: Tenant, snapshot_id: str) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("snapshots", snapshot_id))).json())


async def list_names(tenant: Tenant, query: str = "") -> list[str]:
    """Return the names of the listed snapshots, oldest first."""
    answer = (await tenant.api.get(f"{tenant.path('snapshots')}?{query}")).json()
    assert answer["count"] == len(answer["results"])
    return [snapshot["name"] for snapshot in reversed(answer["results"])]


@pytest.mark.parametrize("attached", [False, True])
async def test_a_snapshot_can_be_taken_whether_the_volume_is_attached_or_not(tenant: Tenant, *, attached: bool) -> None:
    volume = await a_volume(tenant, await an_instance(tenant) if attached else None)

    task = await tenant.wait_until_finished(
        await post_snapshot(tenant, volume, description="as it was", tags={"a": "b"})
    )

    (snapshot_id,) = task["created_resources"]["snapshots"]
    snapshot = await get_view(tenant, snapshot_id)
    assert (task["task_type"], task["data"]["snapshot_id"]) == ("create_snapshot", snapshot_id)
    assert (snapshot["name"], snapshot["description"], snapshot["size"]) == ("before", "as it was", 10)
    assert (snapshot["volume_id"], snapshot["status"], snapshot["task_id"]) == (volume.id, "available", None)
    assert snapshot["creator_task_id"] == task["id"]
    assert snapshot["tags"] == [{"key": "a", "value": "b", "read_only": False}]
    assert [snapshot[name][-5:] for name in ("created_at", "updated_at")] == ["+0000"] * 2
    assert (await driver_of(tenant.running).volume_ids_by_snapshot_id())[snapshot_id] == volume.id
    view = (await tenant.api.get(tenant.path("volumes", volume.id))).json()
    assert (view["snapshot_ids"], view["status"]) == ([snapshot_id], "in-use" if attached else "available")


async def test_several_snapshots_can_be_taken_at_once(tenant: Tenant) -> None:
    volume = await a_volume(tenant)

    answers = await asyncio.gather(*(post_snapshot(tenant, volume, name=f"take-{at}") for at in range(5)))

    for answer in answers:
        await tenant.wait_until_finished(answer)
    assert {snapshot.status for snapshot in await list_snapshots(tenant, volume)} == {"available"}
    assert len(await list_snapshots(tenant, volume)) == 5


@pytest.mark.parametrize("status", ["creating", "error", "attaching", "error_deleting"])
async def test_a_snapshot_requires_an_available_or_attached_volume(tenant: Tenant, status: str) -> None:
    assert (await post_snapshot(tenant, await a_volume(tenant, status=status))).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"), [({"name": "x"}, "name"), ({"name": None}, "name"), ({"volume_id": "v"}, "volume_id"),
                        ({"tags": {"a": ""}}, "tags"), ({"description": 1}, "description")],
)  # fmt: skip
async def test_an_invalid_new_snapshot_names_the_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await post_snapshot(tenant, await a_volume(tenant), **body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_snapshot_of_a_missing_volume_is_404(tenant: Tenant, stranger: Tenant) -> None:
    volume = await a_volume(stranger)

    for volume_id in (volume.id, NOTHING):
        answer = await tenant.api.post(tenant.path("snapshots"), json={"volume_id": volume_id, "name": "before"})
        assert (answer.status_code, answer.json()["message"]) == (404, f"Volume {volume_id} could not be found")


async def test_a_failed_snapshot_leaves_nothing(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "create_snapshot")

    task = await tenant.wait_for_task((await post_snapshot(tenant, volume, tags={"a": "b"})).json()["tasks"][0])

    assert (task["state"], task["created_resources"]) == ("ERROR", None)
    assert await list_snapshots(tenant, volume) == []
    assert await list_names(tenant) == []


@pytest.mark.parametrize(("quota", "limit"), [("volume_snapshots_count", 2), ("volume_snapshots_size", 29)])
async def test_concurrent_snapshots_do_not_exceed_the_quota(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, quota: str, limit: int
) -> None:
    disks = [await a_volume(tenant) for _ in range(6)]
    set_quotas(tenant, monkeypatch, **{quota: limit})

    answers = await asyncio.gather(*(post_snapshot(tenant, volume) for volume in disks))

    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [400] * 4
    (first, *_) = (answer.json() for answer in answers if answer.status_code == 400)
    assert (first["exception_class"], first["info"]["attribute"]) == ("QuotaLimitExceed", quota)
    for answer in answers:
        if answer.status_code == 200:
            await tenant.wait_until_finished(answer)


async def test_lists_are_filtered_by_volume_instance_schedule_or_policy(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    hanging, loose = await a_volume(tenant, instance), await a_volume(tenant)
    await a_snapshot(tenant, hanging, name="one", created_at=1)
    await a_snapshot(tenant, loose, name="two", created_at=2, schedule_id="s-1", lifecycle_policy_id=7)

    assert await list_names(tenant) == ["one", "two"]
    assert await list_names(tenant, f"volume_id={loose.id}") == ["two"]
    assert await list_names(tenant, f"instance_id={instance.id}") == ["one"]
    assert await list_names(tenant, "schedule_id=s-1") == ["two"]
    assert await list_names(tenant, "lifecycle_policy_id=7") == ["two"]
    assert await list_names(tenant, "lifecycle_policy_id=8") == []
    assert await list_names(tenant, f"volume_id={NOTHING}") == []
    page = (await tenant.api.get(f"{tenant.path('snapshots')}?limit=1&offset=1")).json()
    assert (page["count"], [item["name"] for item in page["results"]]) == (2, ["one"])


async def test_name_and_tags_are_changed_by_merge_patch(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant), labels={"a": "1", "b": "2"})
    path = tenant.path("snapshots", snapshot.id)

    answer = await tenant.api.patch(path, json={"name": "other", "tags": {"a": None, "c": "3"}, "size": 5})

    assert (answer.status_code, answer.json()) == (200, await get_view(tenant, snapshot.id))
    assert (answer.json()["name"], answer.json()["size"]) == ("other", 10)
    assert {tag["key"]: tag["value"] for tag in answer.json()["tags"]} == {"b": "2", "c": "3"}
    assert (await tenant.api.patch(path, json={"tags": None})).json()["tags"] == []
    assert (await tenant.api.patch(path, json={})).json()["name"] == "other"
    assert (await tenant.api.patch(path, json={"name": "x"})).status_code == 400


async def test_a_snapshot_is_deleted_and_its_volume_remains(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    snapshot = await a_snapshot(tenant, volume, labels={"a": "b"})

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("snapshots", snapshot.id)))

    assert (task["task_type"], task["data"], task["created_resources"]) == (
        "delete_snapshot",
        {"snapshot_id": snapshot.id},
        None,
    )
    assert (await tenant.api.get(tenant.path("snapshots", snapshot.id))).status_code == 404
    assert snapshot.id not in await driver_of(tenant.running).volume_ids_by_snapshot_id()
    assert (await tenant.api.get(tenant.path("volumes", volume.id))).json()["snapshot_ids"] == []


async def test_a_failed_deletion_can_be_repeated(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    path = tenant.path("snapshots", (await a_snapshot(tenant, volume)).id)
    await inject_fault(tenant, FaultKind.FAIL, "delete_snapshot")

    task = await tenant.wait_for_task((await tenant.api.delete(path)).json()["tasks"][0])

    assert (task["state"], (await tenant.api.get(path)).json()["status"]) == ("ERROR", "error_deleting")
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(await tenant.api.delete(path))
    assert await list_snapshots(tenant, volume) == []


async def test_a_locked_snapshot_cannot_be_changed(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "create_snapshot")

    answer = await post_snapshot(tenant, volume)

    (snapshot,) = await list_snapshots(tenant, volume)
    path = tenant.path("snapshots", snapshot.id)
    assert (snapshot.status, [snapshot.task_id]) == ("creating", answer.json()["tasks"])
    assert (await tenant.api.patch(path, json={"name": "other"})).status_code == 409
    assert (await tenant.api.delete(path)).status_code == 409
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


async def test_a_snapshot_stays_while_a_volume_is_created_from_it(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    snapshot = await a_snapshot(tenant, volume)
    snapshot_path, volume_path = tenant.path("snapshots", snapshot.id), tenant.path("volumes", volume.id)
    await inject_fault(tenant, FaultKind.HOLD, "create_volume")
    body = {"name": "copy", "source": "snapshot", "snapshot_id": snapshot.id}
    creating = await tenant.api.post(tenant.path("volumes"), json=body)

    refused = [await tenant.api.delete(path) for path in (snapshot_path, volume_path)]

    assert [answer.status_code for answer in refused] == [409, 409]
    assert "is being created from it" in refused[0].json()["message"]
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(creating)
    await tenant.wait_until_finished(await tenant.api.delete(snapshot_path))
    await tenant.wait_until_finished(await tenant.api.delete(volume_path))


async def test_another_tenants_snapshots_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant))

    assert await list_names(stranger) == []
    assert (await stranger.api.get(stranger.path("snapshots", snapshot.id))).status_code == 404
    assert (await stranger.api.delete(stranger.path("snapshots", snapshot.id))).status_code == 404


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    task = await tenant.wait_until_finished(await post_snapshot(tenant, await a_volume(tenant)))
    path = tenant.path("snapshots", task["created_resources"]["snapshots"][0])
    await tenant.api.patch(path, json={"name": "other"})
    await tenant.wait_until_finished(await tenant.api.delete(path))

    lines = await list_user_actions(tenant)
    assert [(line.api_group, line.action_type) for line in lines] == [
        ("snapshot", "create"),
        ("snapshot", "update"),
        ("snapshot", "delete"),
    ]


async def test_older_clients_get_tags_under_the_older_names(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant), labels={"a": "b"})

    view = await get_view(tenant, snapshot.id)

    assert (view["metadata"], view["metadata_detailed"]) == ({"a": "b"}, view["tags"])
