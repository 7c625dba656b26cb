"""The clock of a simulated cloud: it is frozen, set, advanced and reset while the cloud runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pileus.api.wire.times import parse_time
from pileus.app import open_api_keys, run_cloud
from pileus.domain.account.subscriptions import Subscription, WebhookTarget
from pileus.store import tasks
from pileus.store.account import subscriptions, user_actions
from tests.app_settings import checked_settings
from tests.clocks import (
    PATH,
    START,
    Clock,
    clock_of_cloud,
    create_policy,
    create_volume,
    database_kind,
    run_cloud_with_clock,
)  # fmt: skip
from tests.databases import database_url
from tests.storage import list_user_actions
from tests.tenants import Tenant, client_of, new_tenant

__all__ = ["clock_of_cloud", "database_kind", "run_cloud_with_clock"]


def _seconds_ahead(view: dict[str, Any]) -> float:
    shown_at = datetime.fromisoformat(view["time"])
    return (shown_at - datetime.now(UTC)).total_seconds()


async def test_a_frozen_clock_gives_all_records_its_time(tenant: Tenant, clock: Clock) -> None:
    view = await clock.freeze()

    network = await tenant.sdk.cloud.networks.create_and_poll(name="frozen")
    task = (await tenant.sdk.cloud.tasks.list()).results[0]
    action, *_ = await list_user_actions(tenant)

    assert (view["time"], view["frozen"]) == (START, True)
    assert (await clock.get())["time"] == START
    assert network.created_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert (task.created_on, task.finished_on) == ("2030-01-01T00:00:00", "2030-01-01T00:00:00")
    assert action.created_at == parse_time(START)


async def test_a_set_clock_runs_on_and_shows_the_real_time_after_a_reset(clock: Clock) -> None:
    first = await clock.put(time="2040-02-29")
    second = await clock.get()
    after = await clock.reset()

    assert first["time"] < second["time"] < "2040-02-29T00:10"
    assert not first["frozen"]
    assert abs(_seconds_ahead(after)) < 60
    assert (after["offset_seconds"], after["frozen"]) == (0, False)


async def test_a_frozen_clock_can_be_set_advanced_and_resumed(clock: Clock) -> None:
    await clock.freeze()
    moved = await clock.put(time="2031-01-01T02:00:00+02:00")
    advanced = await clock.advance(days=1, seconds=0.5)
    resumed = await clock.put(frozen=False)

    assert (moved["time"], moved["frozen"]) == ("2031-01-01T00:00:00.000000Z", True)
    assert (advanced["time"], advanced["frozen"]) == ("2031-01-02T00:00:00.500000Z", True)
    assert advanced["time"] <= resumed["time"] < "2031-01-02T00:10"
    assert not resumed["frozen"]


async def test_nothing_given_changes_nothing(clock: Clock) -> None:
    assert abs(_seconds_ahead(await clock.put())) < 60


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", PATH, {"time": "tomorrow"}, "time"),
        ("PUT", PATH, {"time": "1969-12-31T23:59:59Z"}, "time"),
        ("PUT", PATH, {"time": "9000-01-01T00:00:01Z"}, "time"),
        ("PUT", PATH, {"time": 4711}, "time"),
        ("PUT", PATH, {"frozen": "maybe"}, "frozen"),
        ("POST", f"{PATH}/advance", {"seconds": 0}, "seconds"),
        ("POST", f"{PATH}/advance", {"seconds": -1}, "seconds"),
        ("POST", f"{PATH}/advance", {"seconds": 1e300}, "seconds"),
        ("POST", f"{PATH}/advance", {"seconds": 2.9e11}, "seconds"),
        ("POST", f"{PATH}/advance", {}, "seconds"),
    ],
)
async def test_a_wrong_time_is_refused(clock: Clock, method: str, path: str, body: dict[str, Any], field: str) -> None:
    answer = await clock.operator.request(method, path, json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])
    assert abs(_seconds_ahead(await clock.get())) < 60


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "8999-12-31T23:59:59Z"])
async def test_resources_are_created_at_both_ends_of_time(tenant: Tenant, clock: Clock, time: str) -> None:
    await clock.freeze(time)

    network = await tenant.sdk.cloud.networks.create_and_poll(name="at-the-end")
    volume_id = await create_volume(tenant)
    await create_policy(tenant, volume_id, type="cron", days=None, hour="3", retention_time={"weeks": 5000})
    report = {"time_from": time[:10], "time_to": time[:10], "enable_last_day": True}
    statuses = [
        (await tenant.api.get(tenant.path("lifecycle_policy"))).status_code,
        (await tenant.api.post("/cloud/v1/cost_report/resources", json=report)).status_code,
        (await tenant.api.get("/cloud/v1/pricing/1/ddos")).status_code,
        (await tenant.api.get("/cloud/v1/user_actions")).status_code,
    ]

    assert network.created_at == datetime.fromisoformat(time)
    assert statuses == [200] * 4


async def test_an_expired_key_is_refused_at_once_and_valid_before(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    path = f"/_pileus/tenants/{tenant.client_id}/keys"
    body = {"name": "short", "role": "Users", "expires_at": "2030-01-02"}
    token = (await tenant.operator.post(path, json=body)).json()["token"]
    async with client_of(tenant.running, token) as client:
        before = await client.get("/cloud/v1/projects")
        await clock.advance(hours=24)
        after = await client.get("/cloud/v1/projects")
        await clock.freeze()
        back = await client.get("/cloud/v1/projects")

    assert [answer.status_code for answer in (before, after, back)] == [200, 401, 200]


async def test_everything_works_when_the_clock_is_set_back(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await clock.advance(days=30)
    volume_id = await create_volume(tenant)
    await clock.freeze()

    sdk = tenant.sdk.cloud.volumes
    renamed = await sdk.update(volume_id=volume_id, name="renamed")
    resized = await sdk.resize(volume_id=volume_id, size=20)
    await tenant.wait_for_task(resized.tasks[0])
    newer_id = await create_volume(tenant)
    deleted = await sdk.delete(volume_id=volume_id)
    await tenant.wait_for_task(deleted.tasks[0])
    body = {"time_from": "2030-01-01", "time_to": "2030-01-31", "limit": 100}
    lines = (await tenant.api.post("/cloud/v1/cost_report/resources", json=body)).json()["results"]
    async with tenant.running.app_state.db.read() as tx:
        started = await tasks.TABLE.find(tx, "client_id = :id ORDER BY id", id=tenant.client_id)

    assert renamed.name == "renamed"
    assert all(line["billing_value"] >= 0 for line in lines)
    assert [line["uuid"] for line in lines if line["billing_value"]] == []
    assert [task.task_type for task in started] == ["create_volume", "extend_volume", "create_volume", "delete_volume"]
    assert all(task.finished_at is not None and task.finished_at >= task.created_at for task in started)
    assert newer_id != volume_id


async def test_reports_begin_again_when_the_clock_is_set_back(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze("2050-01-01")
    await clock.freeze()
    await create_volume(tenant)
    await clock.advance(days=2)

    body = {"time_from": "2030-01-01", "time_to": "2030-01-03", "limit": 100}
    lines = (await tenant.api.post("/cloud/v1/cost_report/resources", json=body)).json()["results"]

    assert [(line["type"], line["billing_value"]) for line in lines] == [("volume", 2 * 24 * 60 * 10)]


async def test_old_entries_of_the_audit_log_are_deleted_at_once(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_volume(tenant)
    assert len(await list_user_actions(tenant)) == 1

    await clock.advance(days=5000)

    assert await list_user_actions(tenant) == []


async def test_events_are_delivered_in_order_and_not_dropped_when_the_clock_jumps(tenant: Tenant, clock: Clock) -> None:
    target = WebhookTarget(url="http://127.0.0.1:9/", auth_header_name="token", auth_header_value="secret")
    never = 2**62
    fields: dict[str, Any] = {"client_id": tenant.client_id, "kind": "webhook", "target": target, "next_at": never}
    subscription = Subscription(id=tenant.client_id, created_at=0, **fields)
    await tenant.running.app_state.db.write(lambda tx: subscriptions.add(tx, subscription))
    for number, time in enumerate(("2030-01-01", "2020-01-01", "2040-01-01")):
        await clock.freeze(time)
        await create_volume(tenant, name=f"data-{number}")

    async with tenant.running.app_state.db.read() as tx:
        waiting = await user_actions.list_undelivered_actions(tx, subscription.id, 10)
        oldest = await subscriptions.find_oldest_delivery_time(tx, subscription.id)

    assert [action.resources[0]["search_field"] for action in waiting] == ["data-0", "data-1", "data-2"]
    assert oldest is not None
    assert abs(oldest - tenant.running.app_state.clock.system_now()) < 60_000_000


async def test_an_alarm_that_ends_before_its_start_ends_at_its_start(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    alarm = await tenant.api.post("/_pileus/blackholes", json={"region_id": 1, "destination_ip": "198.18.0.7"})
    await clock.freeze("2029-01-01")
    ended = await tenant.api.delete(f"/_pileus/blackholes/{alarm.json()['id']}")

    async with tenant.running.app_state.db.read() as tx:
        row = await tx.one(
            "SELECT started_at, ended_at FROM blackhole_ports WHERE client_id = :id", id=tenant.client_id
        )
    assert ended.status_code == 204
    assert row == (parse_time(START), parse_time(START))


async def test_the_clock_survives_a_restart_and_is_that_of_commands(tmp_path: Path, backend: str) -> None:
    with database_url(backend) as url:
        settings = checked_settings(data=tmp_path, database=url)
        async with run_cloud(settings) as cloud, new_tenant(cloud) as tenant:
            cloud.app_state.controls.is_shared = False
            await Clock(tenant.operator).freeze()
        async with open_api_keys(settings) as keys:
            assert keys.now == parse_time(START)
        async with run_cloud(settings) as cloud:
            assert cloud.app_state.now() == parse_time(START)
