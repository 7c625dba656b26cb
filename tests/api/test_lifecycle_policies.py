"""Lifecycle policies and their schedules, through the API, including real runs."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from pileus.store.database import Tx
from pileus.store.storage import schedules
from tests.errors import list_error_paths
from tests.storage import a_volume, list_snapshots, list_user_actions, set_quotas
from tests.tenants import REGION, Tenant

NOUN, UNKNOWN = "lifecycle_policy", "00000000-0000-4000-8000-000000000000"
DAILY = {"type": "cron", "hour": "3", "timezone": "Europe/Luxembourg", "retention_time": {"weeks": 2}}
HOURLY = {"type": "interval", "hours": 1, "max_quantity": 24}


async def create_policy(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    body = {"name": "nightly", "action": "volume_snapshot", **changes}
    answer = await tenant.api.post(tenant.path(NOUN), json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def next_moment(tenant: Tenant, schedule_id: str) -> datetime | None:
    async with tenant.running.app_state.db.read() as tx:
        schedule = await schedules.find(tx, schedule_id)
    assert schedule is not None
    return None if schedule.next_at is None else datetime.fromtimestamp(schedule.next_at / 1_000_000, UTC)


async def test_a_policy_is_returned_as_created(tenant: Tenant) -> None:
    volume = await a_volume(tenant, name="data")

    policy_view = await create_policy(tenant, schedules=[DAILY, HOURLY], volume_ids=[volume.id, volume.id])

    assert (policy_view["action"], policy_view["status"], policy_view["user_id"]) == (
        "volume_snapshot",
        "active",
        tenant.client_id,
    )
    assert policy_view["volumes"] == [{"volume_id": volume.id, "volume_name": "data"}]
    daily, hourly = policy_view["schedules"]
    assert (daily["type"], daily["hour"], daily["minute"], daily["max_quantity"]) == ("cron", "3", None, 2)
    assert daily["retention_time"] == {"weeks": 2, "days": None, "hours": None, "minutes": None}
    assert (daily["owner"], daily["owner_id"]) == ("lifecycle_policy", policy_view["id"])
    assert (hourly["type"], hourly["hours"], hourly["retention_time"]) == ("interval", 1, None)
    assert (await tenant.api.get(tenant.path(NOUN, str(policy_view["id"])))).json() == policy_view
    assert (await tenant.api.get(tenant.path(NOUN))).json() == {"count": 1, "results": [policy_view]}
    assert (await tenant.api.get(tenant.path("schedule", daily["id"]))).json() == daily
    (line,) = await list_user_actions(tenant)
    assert (line.api_group, line.action_type, line.resources[0]["resource_id"]) == (
        NOUN,
        "create",
        str(policy_view["id"]),
    )


async def test_schedules_start_tasks_that_name_them(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    policy = await create_policy(tenant, schedules=[HOURLY], volume_ids=[volume.id])
    (schedule,) = policy["schedules"]

    async def come(tx: Tx) -> None:
        before = await schedules.find(tx, schedule["id"])
        assert before is not None
        await schedules.save(tx, before, replace(before, next_at=tenant.running.app_state.now()))

    await tenant.running.app_state.db.write(come)
    path = f"{tenant.path('snapshots')}?schedule_id={schedule['id']}&lifecycle_policy_id={policy['id']}"
    async with asyncio.timeout(20):
        while not (page := (await tenant.api.get(path)).json()["results"]):  # noqa: ASYNC110  # only asking tells
            await asyncio.sleep(0.05)

    task = await tenant.wait_for_task(page[0]["creator_task_id"])
    assert (task["state"], task["schedule_id"], task["lifecycle_policy_id"]) == (
        "FINISHED",
        schedule["id"],
        policy["id"],
    )
    assert page[0]["name"] == f"Snapshot of volume {volume.id} created by policy {policy['id']}"


async def test_a_volume_can_be_created_with_policies(tenant: Tenant) -> None:
    policy = await create_policy(tenant)
    body = {"source": "new-volume", "name": "data", "size": 1}

    async def make(*policy_ids: int) -> httpx.Response:
        return await tenant.api.post(tenant.path("volumes"), json={**body, "lifecycle_policy_ids": policy_ids})

    task = await tenant.wait_until_finished(await make(policy["id"], policy["id"]))
    refused = await make(policy["id"], 7_000_000)

    (volume_id,) = task["created_resources"]["volumes"]
    view = (await tenant.api.get(tenant.path(NOUN, str(policy["id"])))).json()
    assert view["volumes"] == [{"volume_id": volume_id, "volume_name": "data"}]
    assert refused.status_code == 404
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", volume_id)))
    assert (await tenant.api.get(tenant.path(NOUN, str(policy["id"])))).json()["volumes"] == []


async def test_a_paused_policy_takes_no_snapshots(tenant: Tenant) -> None:
    policy = await create_policy(tenant, schedules=[HOURLY], status="paused")
    path, (schedule,) = tenant.path(NOUN, str(policy["id"])), policy["schedules"]

    states = [await next_moment(tenant, schedule["id"])]
    for status in ("active", "paused"):
        changed = (await tenant.api.patch(path, json={"status": status, "name": "named anew"})).json()
        assert (changed["status"], changed["name"]) == (status, "named anew")
        states.append(await next_moment(tenant, schedule["id"]))

    assert [state is None for state in states] == [True, False, True]


async def test_schedules_are_added_and_removed(tenant: Tenant) -> None:
    policy = await create_policy(tenant, schedules=[DAILY])
    path = tenant.path(NOUN, str(policy["id"]))

    added = (await tenant.api.post(f"{path}/add_schedules", json={"schedules": [HOURLY]})).json()
    too_many = await tenant.api.post(f"{path}/add_schedules", json={"schedules": [HOURLY] * 9})
    ids = [schedule["id"] for schedule in added["schedules"]]
    strange = await tenant.api.post(f"{path}/remove_schedules", json={"schedule_ids": [ids[0], UNKNOWN]})
    left = (await tenant.api.post(f"{path}/remove_schedules", json={"schedule_ids": ids[:1]})).json()

    assert [schedule["type"] for schedule in added["schedules"]] == ["cron", "interval"]
    assert (too_many.status_code, list(too_many.json()["invalid_fields"])) == (400, ["schedules"])
    assert strange.status_code == 404
    assert [schedule["id"] for schedule in left["schedules"]] == ids[1:]
    assert (await tenant.api.get(tenant.path("schedule", ids[0]))).status_code == 404


async def test_a_schedule_is_updated(tenant: Tenant) -> None:
    (schedule,) = (await create_policy(tenant, schedules=[DAILY]))["schedules"]
    path = tenant.path("schedule", schedule["id"])
    body = {"hour": "5", "minute": "30", "max_quantity": 7, "retention_time": {"days": 3}}

    changed = (await tenant.api.patch(path, json=body)).json()
    soon = await next_moment(tenant, schedule["id"])
    other = (await tenant.api.patch(path, json={"type": "interval", "days": 1})).json()
    nothing = (await tenant.api.patch(path, json={})).json()
    mixed = await tenant.api.patch(path, json={"hour": "1"})

    assert (changed["hour"], changed["minute"], changed["timezone"]) == ("5", "30", "Europe/Luxembourg")
    assert (changed["max_quantity"], changed["retention_time"]["days"]) == (7, 3)
    assert soon is not None
    assert soon.minute == 30
    assert (other["type"], other["days"], other["max_quantity"], nothing) == ("interval", 1, 7, other)
    assert (mixed.status_code, mixed.json()["invalid_fields"]) == (
        400,
        {"hour": ["A schedule of type interval has no such field"]},
    )


async def test_volumes_are_added_and_removed_repeatedly(tenant: Tenant, stranger: Tenant) -> None:
    policy, volume, other = await create_policy(tenant), await a_volume(tenant), await a_volume(stranger)
    path, ids = tenant.path(NOUN, str(policy["id"])), {"volume_ids": [volume.id]}

    for verb, left in [("add_volumes_to_policy", 1), ("remove_volumes_from_policy", 0)]:
        for _ in range(2):
            answer = await tenant.api.put(f"{path}/{verb}", json=ids)
            assert (answer.status_code, len(answer.json()["volumes"])) == (200, left)
    refused = await tenant.api.put(f"{path}/add_volumes_to_policy", json={"volume_ids": [volume.id, other.id]})

    assert refused.status_code == 404
    assert (await tenant.api.get(path)).json()["volumes"] == []


async def test_a_policy_is_deleted_and_its_snapshots_remain(tenant: Tenant) -> None:
    policy = await create_policy(tenant, schedules=[DAILY, HOURLY])
    path = tenant.path(NOUN, str(policy["id"]))

    gone = await tenant.api.delete(path)

    assert (gone.status_code, gone.content) == (204, b"")
    assert (await tenant.api.get(path)).status_code == 404
    assert (await tenant.api.get(tenant.path("schedule", policy["schedules"][0]["id"]))).status_code == 404
    assert (await tenant.api.get(tenant.path(NOUN))).json() == {"count": 0, "results": []}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "volume_backup"}, "action"),
        ({"status": "asleep"}, "status"),
        ({"schedules": [{"type": "yearly"}]}, "schedules.0"),
        ({"schedules": [{"type": "cron", "hour": "25"}]}, "schedules.0.hour"),
        ({"schedules": [DAILY, {"type": "interval"}]}, "schedules.1.minutes"),
        ({"schedules": [{**HOURLY, "max_quantity": 0}]}, "schedules.0.max_quantity"),
        ({"schedules": [HOURLY] * 11}, "schedules"),
        ({"volume_ids": ["data"]}, "volume_ids.0"),
    ],
)
async def test_an_invalid_policy_is_400(tenant: Tenant, changes: dict[str, Any], field: str) -> None:
    body = {"name": "nightly", "action": "volume_snapshot", **changes}

    answer = await tenant.api.post(tenant.path(NOUN), json=body)

    assert (answer.status_code, list_error_paths(answer.json()["invalid_fields"])) == (400, [field])
    assert (await tenant.api.get(tenant.path(NOUN))).json()["count"] == 0


async def test_the_quota_of_schedules_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, snapshot_schedule_count=3)
    body = {"name": "nightly", "action": "volume_snapshot", "schedules": [DAILY, HOURLY]}

    answers = await asyncio.gather(*(tenant.api.post(tenant.path(NOUN), json=body) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    assert (await tenant.api.get(tenant.path(NOUN))).json()["count"] == 1


async def test_the_usage_and_price_of_a_policy_are_estimated(tenant: Tenant) -> None:
    volumes = [await a_volume(tenant, size=10), await a_volume(tenant, size=5, type_name="ssd_hiiops")]
    ids = [volume.id for volume in volumes]
    body = {"name": "-", "action": "volume_snapshot", "schedules": [DAILY, HOURLY], "volume_ids": ids}
    single = (
        await tenant.api.post(f"/cloud/v1/pricing/{tenant.place_path}/snapshots", json={"volume_id": ids[0]})
    ).json()

    usage = (await tenant.api.post(tenant.path(NOUN, "estimate_max_policy_usage"), json=body)).json()
    price = (await tenant.api.post(f"/cloud/v1/pricing/{tenant.place_path}/{NOUN}", json=body)).json()
    body = {"schedules": [DAILY, HOURLY], "volume_ids": ids}
    by_type = (await tenant.api.post(f"/cloud/v2/pricing/{tenant.place_path}/{NOUN}", json=body)).json()
    twice = await tenant.api.post(f"/cloud/v2/pricing/{tenant.place_path}/{NOUN}", json={"volume_ids": ids[:1] * 2})

    assert usage["max_volume_snapshot_sequence_length"] == 26
    assert usage["max_volume_snapshot_count_usage"] == 52
    assert usage["max_volume_snapshot_size_usage"] == 390
    assert usage["max_cost"] == price
    assert price["price_per_month"] == pytest.approx(39 * single["price_per_month"])
    parts = by_type["per_month"]["volumes"]
    assert [part["type"] for part in parts] == ["ssd_hiiops", "standard"]
    assert sum(part["price"] for part in parts) == pytest.approx(by_type["total_price_per_month"])
    assert by_type["total_price_per_month"] == pytest.approx(price["price_per_month"])
    assert (twice.status_code, list(twice.json()["invalid_fields"])) == (400, ["volume_ids"])
    assert await list_snapshots(tenant, volumes[0]) == []


async def test_concurrent_changes_are_all_applied(tenant: Tenant) -> None:
    policy = await create_policy(tenant)
    path, volumes = tenant.path(NOUN, str(policy["id"])), [await a_volume(tenant) for _ in range(6)]

    answers = await asyncio.gather(
        *(tenant.api.put(f"{path}/add_volumes_to_policy", json={"volume_ids": [volume.id]}) for volume in volumes),
        *(tenant.api.post(f"{path}/add_schedules", json={"schedules": [HOURLY] * 2}) for _ in range(6)),
    )

    after = (await tenant.api.get(path)).json()
    assert [answer.status_code for answer in answers[:6]] == [200] * 6
    assert sorted(answer.status_code for answer in answers[6:]) == [200] * 5 + [400]
    assert (len(after["volumes"]), len(after["schedules"])) == (6, 10)


async def test_the_official_sdk_uses_all_endpoints(tenant: Tenant) -> None:
    policies, volume = tenant.sdk.cloud.snapshot_schedules, await a_volume(tenant)
    where: Any = {"project_id": tenant.project_id, "region_id": REGION}

    policy_view = await policies.create(
        name="nightly", action="volume_snapshot", schedules=[{"type": "cron", "hour": "3"}], **where
    )
    added = await policies.add_schedules(policy_view.id, schedules=[{"type": "interval", "days": 1}], **where)
    with_volume = await policies.add_volumes(policy_view.id, volume_ids=[volume.id], **where)
    usage = await policies.estimate_max_usage(
        name="-", action="volume_snapshot", schedules=[{"type": "interval", "days": 1}], volume_ids=[volume.id], **where
    )
    renamed = await policies.update(policy_view.id, name="weekly", status="paused", **where)
    less = await policies.remove_schedules(policy_view.id, schedule_ids=[added.schedules[0].id], **where)
    bare = await policies.remove_volumes(policy_view.id, volume_ids=[volume.id], **where)
    listed = await policies.list(**where)
    await policies.delete(policy_view.id, **where)

    actions = await tenant.sdk.cloud.audit_logs.list(order_by="asc")
    assert [(line.api_group, line.action_type) for line in actions.results] == [
        ("lifecycle_policy", "create"),
        ("snapshot_schedule", "create"),
        ("lifecycle_policy_volume_member", "create"),
        ("lifecycle_policy", "update"),
        ("snapshot_schedule", "delete"),
        ("lifecycle_policy_volume_member", "delete"),
        ("lifecycle_policy", "delete"),
    ]
    assert [schedule.type for schedule in added.schedules] == ["cron", "interval"]
    assert [item.volume_id for item in with_volume.volumes] == [volume.id]
    assert (usage.max_volume_snapshot_count_usage, renamed.status) == (2, "paused")
    assert (len(less.schedules), bare.volumes) == (1, [])
    assert [policy.name for policy in listed.results] == ["weekly"]
