"""The limit of unfinished tasks, the slots that tasks wait for, and the figures of the queues."""

import asyncio
import re

import httpx
import pytest
from gcore import RateLimitError
from msgspec.structs import replace

from pileus.api.task_figures import TaskMeter
from pileus.domain.places import Caller, Place
from pileus.domain.storage.task_types import CREATE_SNAPSHOT
from pileus.domain.tasks import new_task
from pileus.store import tasks
from pileus.store.table_counts import TableCounts
from pileus.tasks.clocks import CloudClock
from tests.image_server import image_url
from tests.storage import a_volume
from tests.tasks.workers import Clock
from tests.tenants import REGION, Tenant

FAULTS = "/_pileus/faults"


async def hold_tasks(tenant: Tenant) -> str:
    """Hold all tasks; return the path of the fault."""
    fault = (await tenant.api.post(FAULTS, json={"kind": "hold"})).json()
    return f"{FAULTS}/{fault['id']}"


async def create_floating_ip(tenant: Tenant) -> httpx.Response:
    return await tenant.api.post(tenant.path("floatingips"), json={})


async def get_slot_class(tenant: Tenant, task_id: str) -> tuple[str, str]:
    """Return the slot class and the queue of a task."""
    async with tenant.running.app_state.db.read() as tx:
        task = await tasks.get(tx, tenant.client_id, task_id)
    return task.slot_class, task.queue


async def wait_until_held(tenant: Tenant, task_id: str) -> None:
    while True:
        async with tenant.running.app_state.db.read() as tx:
            if (await tasks.get(tx, tenant.client_id, task_id)).held_by:
                return
        await asyncio.sleep(0)


async def test_a_tenant_with_too_many_unfinished_tasks_is_told_when_to_try_again(
    tenant: Tenant, stranger: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant.running.app_state, "task_limit", 2)
    hold = await hold_tasks(tenant)
    started = [await create_floating_ip(tenant) for _ in range(2)]

    refused = await create_floating_ip(tenant)
    with pytest.raises(RateLimitError):
        await tenant.sdk.with_options(max_retries=0).cloud.floating_ips.create(
            project_id=tenant.project_id, region_id=REGION
        )
    of_other = await create_floating_ip(stranger)
    count = (await tenant.api.get(tenant.path("floatingips"))).json()["count"]
    await tenant.api.delete(hold)
    for answer in started:
        await tenant.wait_until_finished(answer)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    body = refused.json()
    assert body["exception_class"] == "TooManyRequests"
    assert body["message"] == "There are 2 unfinished tasks, which is the limit: try again when some have ended"
    assert (of_other.status_code, count) == (200, 2)
    await tenant.wait_until_finished(await create_floating_ip(tenant))


async def test_requests_at_the_same_moment_do_not_exceed_the_limit(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = [await a_volume(tenant, name=f"data-{number}") for number in range(12)]
    monkeypatch.setattr(tenant.running.app_state, "task_limit", 3)
    hold = await hold_tasks(tenant)

    answers = await asyncio.gather(*(tenant.api.delete(tenant.path("volumes", volume.id)) for volume in volumes))
    await tenant.api.delete(hold)

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 9


async def test_reads_and_changes_without_a_task_are_not_limited(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant.running.app_state, "task_limit", 0)

    project = f"/cloud/v1/projects/{tenant.project_id}"

    assert (await tenant.api.get(project)).status_code == 200
    assert (await tenant.api.patch(project, json={"name": "changed"})).status_code == 200


async def test_copies_of_snapshots_and_downloads_wait_for_slow_slots(tenant: Tenant) -> None:
    volumes = tenant.path("volumes")
    blank = await tenant.api.post(volumes, json={"name": "name-a", "source": "new-volume", "size": 1})
    (volume_id,) = (await tenant.wait_until_finished(blank))["created_resources"]["volumes"]
    snapshot = await tenant.api.post(tenant.path("snapshots"), json={"name": "name-s", "volume_id": volume_id})
    (snapshot_id,) = (await tenant.wait_until_finished(snapshot))["created_resources"]["snapshots"]
    copy = await tenant.api.post(volumes, json={"name": "name-b", "source": "snapshot", "snapshot_id": snapshot_id})
    await tenant.wait_until_finished(copy)
    reverted = await tenant.api.post(f"{volumes}/{volume_id}/revert")
    await tenant.wait_until_finished(reverted)
    image = await tenant.api.post(tenant.path("downloadimage"), json={"name": "name-i", "url": image_url()})

    slots = [
        await get_slot_class(tenant, *answer.json()["tasks"]) for answer in (blank, snapshot, copy, reverted, image)
    ]

    assert [slot_class for slot_class, _ in slots] == ["quick", "slow", "slow", "slow", "slow"]
    assert {queue for _, queue in slots} == {f"{tenant.client_id}/{REGION}"}


async def test_held_tasks_are_unfinished_but_do_not_wait_for_slots(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tenant.running.app_state
    hold = await hold_tasks(tenant)
    started = await create_floating_ip(tenant)
    await wait_until_held(tenant, *started.json()["tasks"])
    monkeypatch.setattr(state, "task_meter", TaskMeter(state.db, state.clock))

    view = (await tenant.api.get("/readyz")).json()
    await tenant.api.delete(hold)
    await tenant.wait_until_finished(started)

    assert (view["status"], view["tasks_unfinished"] > 0) == ("ready", True)
    nothing = {"waiting": 0, "oldest_seconds": 0.0}
    assert view["task_queues"] == {"quick": nothing, "slow": nothing}


async def test_waiting_tasks_and_the_age_of_the_oldest_are_shown_by_slot_class(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tenant.running.app_state
    # Workers do not claim it before the time at which it is measured.
    later = 2**61
    # Tasks that other tests have left unfinished would be measured too.
    await state.db.write(lambda tx: TableCounts("tasks").delete(tx, "finished_at IS NULL"))
    place = Place(tenant.client_id, tenant.project_id, REGION)
    caller = Caller(client_id=tenant.client_id, user_id=0, email="", token_id=None, role="Engineers")
    task = new_task(state.new_id(), CREATE_SNAPSHOT, caller, place, request_id="", now=state.now(), args={})
    await state.db.write(lambda tx: tasks.add(tx, replace(task, lease_until=later)))
    monkeypatch.setattr(state, "task_meter", TaskMeter(state.db, CloudClock(lambda: later + 60_000_000)))

    view = (await tenant.api.get("/readyz")).json()["task_queues"]
    metrics = (await tenant.api.get("/metrics")).text
    await state.db.write(lambda tx: tasks.TABLE.remove(tx, task.id))

    assert view == {"quick": {"waiting": 0, "oldest_seconds": 0.0}, "slow": {"waiting": 1, "oldest_seconds": 60.0}}
    lines = re.findall(r"^pileus_(?:oldest_)?waiting_task.*", metrics, re.MULTILINE)
    assert lines == [
        'pileus_waiting_tasks{slot_class="quick"} 0.0',
        'pileus_waiting_tasks{slot_class="slow"} 1.0',
        'pileus_oldest_waiting_task_seconds{slot_class="quick"} 0.0',
        'pileus_oldest_waiting_task_seconds{slot_class="slow"} 60.0',
    ]


async def test_the_figures_are_measured_at_most_once_a_second(tenant: Tenant) -> None:
    state, clock = tenant.running.app_state, Clock()
    meter = TaskMeter(state.db, CloudClock(clock))

    first = await meter.measure()
    clock.advance(999_999)
    second = await meter.measure()
    clock.advance(1)
    third = await meter.measure()

    assert second is first
    assert third.measured_at == clock()
