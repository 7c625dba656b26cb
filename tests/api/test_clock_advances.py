"""What an advance of the clock passes over takes place as if the time had passed."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from pileus.api.wire.times import parse_time
from pileus.app import run_cloud
from pileus.domain.account.access import Role
from pileus.domain.storage.schedules import Cron
from pileus.store import tasks
from pileus.store.database import Tx
from pileus.store.storage import schedules
from tests.app_settings import checked_settings
from tests.clocks import (
    DAYS,
    PATH,
    START,
    Clock,
    clock_of_cloud,
    create_policy,
    create_volume,
    database_kind,
    list_snapshot_times,
    run_cloud_with_clock,
)  # fmt: skip
from tests.databases import database_url
from tests.tenants import Tenant, client_of, new_tenant

__all__ = ["clock_of_cloud", "database_kind", "run_cloud_with_clock"]


async def test_an_advance_runs_each_due_schedule_at_its_own_time(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant), await create_volume(tenant))

    await clock.advance(days=7)

    assert await list_snapshot_times(tenant) == sorted(DAYS[1:8] * 2)
    async with tenant.running.app_state.db.read() as tx:
        where = "client_id = :id AND task_type = 'create_snapshot' ORDER BY created_at"
        started = await tasks.TABLE.find(tx, where, id=tenant.client_id)
    assert [task.created_at for task in started] == sorted([parse_time(day) for day in DAYS[1:8]] * 2)
    assert all(task.finished_at == task.created_at and not task.interrupted for task in started)


async def test_a_running_clock_passes_over_schedules_too(tenant: Tenant, clock: Clock) -> None:
    await clock.put(time=START)
    await create_policy(tenant, await create_volume(tenant), max_quantity=2)

    await clock.advance(days=3)
    await clock.advance(days=3, hours=1)

    assert [time[:10] for time in await list_snapshot_times(tenant)] == ["2030-01-06", "2030-01-07"]


async def test_snapshots_are_deleted_and_billed_as_if_the_time_had_passed(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant), days=2, retention_time={"hours": 36})

    await clock.advance(days=7)

    body = {"time_from": "2030-01-01", "time_to": "2030-01-09", "limit": 100}
    lines = (await tenant.api.post("/cloud/v1/cost_report/resources", json=body)).json()["results"]
    gigabyte_hours = sorted(line["billing_value"] / 60 for line in lines if line["type"] == "snapshot")
    assert await list_snapshot_times(tenant) == [DAYS[6]]
    assert gigabyte_hours == [240, 360, 360]


async def test_a_quota_is_enough_if_it_would_have_been(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    quota = {"volume_snapshots_count_limit": 1}
    await tenant.operator.put(f"/_pileus/quotas/1?client_id={tenant.client_id}", json=quota)
    await create_policy(tenant, await create_volume(tenant), retention_time={"hours": 12})

    await clock.advance(days=5)
    failed = await tenant.api.get("/cloud/v1/tasks?state=ERROR")

    assert failed.json()["results"] == []
    assert await list_snapshot_times(tenant) == [DAYS[5]]


async def test_a_set_clock_skips_runs(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant))

    await clock.put(time="2030-01-08T12:00:00Z")

    assert await list_snapshot_times(tenant) == ["2030-01-08T12:00:00+0000"]


async def test_a_schedule_that_cannot_be_planned_does_not_stop_an_advance(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant))
    await create_policy(tenant, await create_volume(tenant))

    async def break_one(tx: Tx) -> None:
        broken, *_ = await schedules.TABLE.find(tx, "client_id = :id ORDER BY id", id=tenant.client_id)
        timing = Cron(minute="0", timezone="Mars/Olympus")
        await schedules.save(tx, broken, msgspec.structs.replace(broken, timing=timing))

    await tenant.running.app_state.db.write(break_one)

    await clock.advance(days=3)

    assert await list_snapshot_times(tenant) == DAYS[1:4]


async def test_an_advance_that_passes_too_many_runs_is_refused(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant), days=None, minutes=1)

    refused = await tenant.operator.post(f"{PATH}/advance", json={"seconds": 1001 * 60})

    assert refused.status_code == 409
    assert "shorter steps" in refused.json()["message"]
    assert ((await clock.get())["time"], await list_snapshot_times(tenant)) == (START, [])


async def test_schedules_do_not_run_twice_when_the_time_comes_again(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await create_policy(tenant, await create_volume(tenant))
    await clock.advance(days=3)
    await clock.freeze()
    await clock.advance(days=4)

    assert await list_snapshot_times(tenant) == DAYS[1:5]


async def _wait_until_asleep(tenant: Tenant, task_id: str) -> None:
    while task_id not in tenant.running.app_state.clock.sleeping_task_ids:
        await tenant.api.get(f"/cloud/v1/tasks/{task_id}")


async def test_realistic_transitions_wait_for_the_frozen_clock(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    await tenant.operator.put("/_pileus/time", json={"mode": "realistic"})
    try:
        body = {"source": "new-volume", "name": "slow", "size": 1}
        (task_id,) = (await tenant.api.post(tenant.path("volumes"), json=body)).json()["tasks"]
        await _wait_until_asleep(tenant, task_id)
        await clock.advance(seconds=4.9)
        waiting = (await tenant.api.get(f"/cloud/v1/tasks/{task_id}")).json()
        async with tenant.running.app_state.db.read() as tx:
            waiting_task = await tasks.get(tx, tenant.client_id, task_id)
        await clock.advance(days=30)
        ended = await tenant.wait_for_task(task_id)
        async with tenant.running.app_state.db.read() as tx:
            after = await tasks.get(tx, tenant.client_id, task_id)
    finally:
        await tenant.operator.put("/_pileus/time", json={"mode": "instant"})

    assert waiting["state"] == "RUNNING"
    assert (ended["state"], ended["finished_on"]) == ("FINISHED", "2030-01-01T00:00:05")
    # The lease outlived a month: no other worker took the task.
    assert (waiting_task.lease_token is not None, after.interrupted, after.attempts) == (True, False, 0)


async def test_an_advance_completes_all_transitions_of_a_task(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    image = (await tenant.sdk.cloud.instances.images.list()).results[0]
    await tenant.operator.put("/_pileus/time", json={"mode": "realistic"})
    try:
        created = await tenant.sdk.cloud.instances.create(
            flavor="g1-standard-1-2",
            name="web",
            interfaces=[{"type": "external"}],
            volumes=[{"source": "image", "image_id": image.id, "size": 10, "boot_index": 0}],
        )
        await clock.advance(minutes=5)
        ended = await tenant.wait_for_task(created.tasks[0])
    finally:
        await tenant.operator.put("/_pileus/time", json={"mode": "instant"})

    assert (ended["state"], ended["finished_on"]) == ("FINISHED", "2030-01-01T00:00:36")


async def test_other_processes_obey_a_change_when_it_is_answered(tmp_path: Path, backend: str) -> None:
    with database_url(backend) as url:
        settings = checked_settings(data=tmp_path, database=url, workers=2)
        async with AsyncExitStack() as stack:
            first, second = [await stack.enter_async_context(run_cloud(settings)) for _ in range(2)]
            tenant = await stack.enter_async_context(new_tenant(first))
            other = await stack.enter_async_context(client_of(second, tenant.tokens[Role.OPERATORS]))
            clock = Clock(tenant.operator)
            await clock.freeze()
            await create_policy(tenant, await create_volume(tenant))

            seen = await Clock(other).get()
            await Clock(other).advance(days=5)

            assert seen["time"] == START
            assert first.app_state.now() == second.app_state.now() == parse_time("2030-01-06")
            assert await list_snapshot_times(tenant) == DAYS[1:6]


async def test_an_advance_that_is_interrupted_is_completed_after_the_restart(tmp_path: Path, backend: str) -> None:
    with database_url(backend) as url:
        settings = checked_settings(data=tmp_path, database=url)
        async with run_cloud(settings) as cloud, new_tenant(cloud) as tenant:
            cloud.app_state.controls.is_shared = False
            clock = Clock(tenant.operator)
            await clock.freeze()
            await create_policy(tenant, await create_volume(tenant))
            cloud.app_state.due_jobs = ()
            await clock.advance(days=5)
        async with run_cloud(settings) as cloud, client_of(cloud, tenant.tokens[Role.ENGINEERS]) as client:
            restarted = replace(tenant, running=cloud, api=client)
            while len(times := await list_snapshot_times(restarted)) < 5:
                pass
            (task, *_) = (await client.get("/cloud/v1/tasks")).json()["results"]
            await restarted.wait_for_task(task["id"])

    assert times == DAYS[1:6]
