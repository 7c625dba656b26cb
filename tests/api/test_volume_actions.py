"""Extend, retype and revert volumes."""

import asyncio
from typing import Any

import httpx
import pytest

from pileus.domain.faults import FaultKind
from pileus.domain.storage.volumes import Volume
from pileus.store import faults
from tests.builders import an_instance
from tests.simulated_cloud import find_simulated_volume
from tests.storage import a_snapshot, a_volume, find_volume, inject_fault, list_snapshots, list_user_actions, set_quotas
from tests.tenants import Tenant


async def post_action(tenant: Tenant, volume: Volume, verb: str, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("volumes", volume.id, verb), json=body or None)


async def get_volume(tenant: Tenant, volume: Volume) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("volumes", volume.id))).json())


@pytest.mark.parametrize("attached", [False, True])
async def test_a_volume_can_be_extended_whether_attached_or_not(tenant: Tenant, *, attached: bool) -> None:
    instance = await an_instance(tenant) if attached else None
    volume = await a_volume(tenant, instance)

    task = await tenant.wait_until_finished(await post_action(tenant, volume, "extend", size=11))

    after = await get_volume(tenant, volume)
    assert (task["task_type"], task["created_resources"]) == ("extend_volume", None)
    assert task["data"] == {"volume_id": volume.id, "size": 11}
    assert (after["size"], after["status"], after["task_id"]) == (11, "in-use" if attached else "available", None)
    assert after["limiter_stats"]["iops_base_limit"] == 66
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) == (
        11,
        "standard",
        instance and instance.id,
        None,
    )


@pytest.mark.parametrize("size", [-1, 0, 9, 10, 102401, None, "much"])
async def test_a_volume_cannot_shrink_or_exceed_the_limit_of_its_type(tenant: Tenant, size: Any) -> None:
    volume = await a_volume(tenant)

    answer = await post_action(tenant, volume, "extend", size=size)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["size"])
    assert await find_volume(tenant, volume) == volume


@pytest.mark.parametrize("fields", [{"status": "error"}, {"status": "creating"}])
async def test_extend_of_some_volumes_is_409(tenant: Tenant, fields: dict[str, Any]) -> None:
    volume = await a_volume(tenant, **fields)

    assert (await post_action(tenant, volume, "extend", size=20)).status_code == 409


async def test_a_volume_whose_type_has_a_fixed_size_cannot_be_extended(tenant: Tenant) -> None:
    volume = await a_volume(tenant, type_name="ssd_local")

    assert (await post_action(tenant, volume, "extend", size=20)).status_code == 400


async def test_a_failed_extend_restores_size_and_status(tenant: Tenant) -> None:
    volume = await a_volume(tenant, await an_instance(tenant))
    await inject_fault(tenant, FaultKind.FAIL, "extend_volume")

    task = await tenant.wait_for_task((await post_action(tenant, volume, "extend", size=20)).json()["tasks"][0])

    after = await get_volume(tenant, volume)
    assert (task["state"], after["size"], after["status"], after["task_id"]) == ("ERROR", 10, "in-use", None)


async def test_an_extend_counts_against_the_quota_from_the_start(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await a_volume(tenant), await a_volume(tenant)
    set_quotas(tenant, monkeypatch, volume_size=25)
    await inject_fault(tenant, FaultKind.HOLD, "extend_volume")

    answers = await asyncio.gather(*(post_action(tenant, volume, "extend", size=15) for volume in (first, second)))

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    (refused,) = (answer.json() for answer in answers if answer.status_code == 400)
    assert refused["info"] == {"attribute": "volume_size", "current_usage": 25, "requested_usage": 30, "limit": 25}
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(next(answer for answer in answers if answer.status_code == 200))


@pytest.mark.parametrize(("before", "after"), [("standard", "ssd_hiiops"), ("ssd_hiiops", "standard")])
@pytest.mark.parametrize("attached", [False, True])
async def test_retype_returns_the_volume(tenant: Tenant, before: str, after: str, *, attached: bool) -> None:
    volume = await a_volume(tenant, await an_instance(tenant) if attached else None, type_name=before)

    answer = await post_action(tenant, volume, "retype", volume_type=after)

    body = answer.json()
    assert (answer.status_code, body) == (200, await get_volume(tenant, volume))
    assert (body["volume_type"], body["status"]) == (after, "in-use" if attached else "available")
    world = await find_simulated_volume(tenant.running.app_state.db, volume.id)
    assert world is not None
    assert world[1] == after


async def test_retype_to_the_same_type_changes_nothing(tenant: Tenant) -> None:
    volume = await a_volume(tenant)

    answer = await post_action(tenant, volume, "retype", volume_type="standard")

    assert (answer.status_code, answer.json()) == (200, await get_volume(tenant, volume))
    assert await find_volume(tenant, volume) == volume


async def test_a_volume_with_snapshots_cannot_be_retyped(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume)

    answer = await post_action(tenant, volume, "retype", volume_type="ssd_hiiops")

    assert (answer.status_code, await find_volume(tenant, volume)) == (409, volume)


@pytest.mark.parametrize("name", ["cold", "ultra", "ssd_local", "ssd_lowlatency"])
async def test_other_types_cannot_be_retyped(tenant: Tenant, name: str) -> None:
    volume = await a_volume(tenant, type_name=name)

    from_it = await post_action(tenant, volume, "retype", volume_type="standard")
    into_it = await post_action(tenant, await a_volume(tenant), "retype", volume_type=name)

    assert from_it.status_code == 400
    assert (into_it.status_code, list(into_it.json()["invalid_fields"])) == (400, ["volume_type"])


async def test_a_failed_retype_returns_the_unchanged_volume(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "retype_volume")

    answer = await post_action(tenant, volume, "retype", volume_type="ssd_hiiops")

    body = answer.json()
    assert (answer.status_code, body["volume_type"], body["status"]) == (200, "standard", "available")


async def test_a_retype_that_takes_too_long_returns_the_current_volume(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = await a_volume(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "retype_volume")
    monkeypatch.setattr(tenant.running.app_state, "patience", 0.01)

    body = (await post_action(tenant, volume, "retype", volume_type="ssd_hiiops")).json()

    assert (body["volume_type"], body["status"]) == ("standard", "retyping")
    assert body["task_id"] is not None


async def test_a_volume_is_reverted_to_its_latest_snapshot(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume, created_at=1)
    last = await a_snapshot(tenant, volume, created_at=2)

    task = await tenant.wait_until_finished(await post_action(tenant, volume, "revert"))

    after = await get_volume(tenant, volume)
    assert (task["task_type"], task["created_resources"]) == ("revert_volume", None)
    assert task["data"] == {"volume_id": volume.id, "snapshot_id": last.id}
    assert (after["status"], after["task_id"]) == ("available", None)
    assert [snapshot.status for snapshot in await list_snapshots(tenant, volume)] == ["available"] * 2
    assert await find_simulated_volume(tenant.running.app_state.db, volume.id) == (10, "standard", None, task["id"])


async def test_volume_and_snapshot_are_locked_during_a_revert(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    snapshot = await a_snapshot(tenant, volume)
    await inject_fault(tenant, FaultKind.HOLD, "revert_volume")

    answer = await post_action(tenant, volume, "revert")

    reverting, (taken,) = await get_volume(tenant, volume), await list_snapshots(tenant, volume)
    assert (reverting["status"], [reverting["task_id"]]) == ("reverting", answer.json()["tasks"])
    assert (taken.status, [taken.task_id]) == ("restoring", answer.json()["tasks"])
    assert (await tenant.api.delete(tenant.path("snapshots", snapshot.id))).status_code == 409
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


@pytest.mark.parametrize(
    ("fields", "taken", "status"),
    [
        ({}, None, 400),
        ({"status": "in-use"}, {}, 409),
        ({"status": "error"}, {}, 409),
        ({}, {"size": 5}, 400),
        ({}, {"status": "error"}, 409),
        ({}, {"task_id": "another"}, 409),
    ],
    ids=["no snapshot", "in use", "failed", "extended since", "snapshot in error", "snapshot held"],
)
async def test_some_volumes_cannot_be_reverted(
    tenant: Tenant, fields: dict[str, Any], taken: dict[str, Any] | None, status: int
) -> None:
    volume = await a_volume(tenant, **fields)
    if taken is not None:
        await a_snapshot(tenant, volume, **taken)

    answer = await post_action(tenant, volume, "revert")

    assert answer.status_code == status
    assert await find_volume(tenant, volume) == volume


async def test_a_failed_revert_restores_volume_and_snapshot(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume)
    await inject_fault(tenant, FaultKind.FAIL, "revert_volume")

    task = await tenant.wait_for_task((await post_action(tenant, volume, "revert")).json()["tasks"][0])

    assert task["state"] == "ERROR"
    assert (await get_volume(tenant, volume))["status"] == "available"
    assert [snapshot.status for snapshot in await list_snapshots(tenant, volume)] == ["available"]


async def test_all_actions_are_in_the_audit_log(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    await tenant.wait_until_finished(await post_action(tenant, volume, "extend", size=20))
    await post_action(tenant, volume, "retype", volume_type="ssd_hiiops")
    await a_snapshot(tenant, volume, size=20)
    await tenant.wait_until_finished(await post_action(tenant, volume, "revert"))

    lines = await list_user_actions(tenant)
    assert [(line.api_group, line.action_type) for line in lines] == [
        ("volume", "resize"),
        ("volume", "retype"),
        ("volume", "revert"),
    ]
    assert all(line.task_id for line in lines)
