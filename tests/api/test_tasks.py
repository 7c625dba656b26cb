"""List, read and acknowledge tasks."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pileus.app import run_cloud
from pileus.domain.account.access import Role
from pileus.domain.tasks import Task, queue_name
from pileus.store import tasks
from tests.app_settings import checked_settings
from tests.builders import an_instance, record_fields
from tests.tenants import REGION, Tenant, new_tenant

NOON = int(datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
SECOND = 1_000_000
ALL = "/cloud/v1/tasks"


async def add_task(tenant: Tenant, task_type: str = "create_vm", **changes: Any) -> Task:
    """Add a task that no worker claims."""
    defaults = {"task_type": task_type, "user_id": tenant.client_id, "lease_until": 2**62}
    fields: dict[str, Any] = {**record_fields(tenant), **defaults, **changes}
    task = Task(**fields, queue=queue_name(tenant.client_id, fields["region_id"]))
    return await tenant.running.app_state.db.write(lambda tx: tasks.add(tx, task))


async def add_tasks(tenant: Tenant) -> list[Task]:
    """Add four different tasks, one second apart."""
    return [
        await add_task(tenant, "create_vm", state="NEW", created_at=NOON),
        await add_task(tenant, "delete_vm", state="RUNNING", created_at=NOON + SECOND, region_id=2),
        await add_task(tenant, "create_vm", state="FINISHED", created_at=NOON + 2 * SECOND, acknowledged_at=NOON),
        await add_task(tenant, "stop_vm", state="ERROR", created_at=NOON + 3 * SECOND + 500_000, project_id=None),
    ]


async def list_ids(tenant: Tenant, path: str = ALL, **parameters: Any) -> list[str]:
    """Return the listed ids, and check the count."""
    answer = await tenant.api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["results"])
    return [task["id"] for task in answer.json()["results"]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [3, 2, 1, 0]),
        ({"order_by": "desc"}, [3, 2, 1, 0]),
        ({"order_by": "asc"}, [0, 1, 2, 3]),
        ({"sorting": "asc"}, [0, 1, 2, 3]),
        ({"sorting": "asc", "order_by": "desc"}, [3, 2, 1, 0]),
        ({"state": "NEW"}, [0]),
        ({"state": ["NEW", "RUNNING", "ERROR"]}, [3, 1, 0]),
        ({"task_type": "create_vm"}, [2, 0]),
        ({"task_type": "create"}, []),
        ({"region_id": 1}, [3, 2, 0]),
        ({"region_id": [1, 2]}, [3, 2, 1, 0]),
        ({"region_id": 3}, []),
        ({"is_acknowledged": "true"}, [2]),
        ({"is_acknowledged": "false"}, [3, 1, 0]),
        ({"from_timestamp": "2030-01-01T12:00:01"}, [3, 2, 1]),
        ({"from_timestamp": "2030-01-01T12:00:01Z", "to_timestamp": "2030-01-01T12:00:02Z"}, [2, 1]),
        ({"to_timestamp": "2030-01-01T12:00:03"}, [3, 2, 1, 0]),
        ({"to_timestamp": "2030-01-01T12:00:03.400"}, [2, 1, 0]),
        ({"to_timestamp": "2030-01-01T14:00:00+02:00"}, [0]),
        ({"state": "NEW", "task_type": "delete_vm"}, []),
    ],
)
async def test_a_list_is_filtered_and_ordered(tenant: Tenant, parameters: dict[str, Any], expected: list[int]) -> None:
    added = await add_tasks(tenant)

    assert await list_ids(tenant, **parameters) == [added[at].id for at in expected]


async def test_a_list_is_filtered_by_projects(tenant: Tenant, stranger: Tenant) -> None:
    added = await add_tasks(tenant)
    theirs = await add_task(stranger)

    by_project = await list_ids(tenant, project_id=[tenant.project_id, stranger.project_id])

    assert by_project == [task.id for task in (added[2], added[1], added[0])]
    assert await list_ids(stranger, project_id=tenant.project_id) == []
    assert await list_ids(stranger) == [theirs.id]


async def test_a_time_with_an_unescaped_plus_is_parsed(tenant: Tenant) -> None:
    added = await add_task(tenant, created_at=NOON)

    answer = await tenant.api.get(f"{ALL}?from_timestamp=2030-01-01T14:00:00+02:00&to_timestamp=2030-01-01 12:00:00")

    assert [task["id"] for task in answer.json()["results"]] == [added.id]


async def test_the_default_limit_is_ten_and_count_is_the_total(tenant: Tenant) -> None:
    added = [await add_task(tenant, created_at=NOON + at) for at in range(12)]

    first = (await tenant.api.get(ALL)).json()
    rest = (await tenant.api.get(ALL, params={"offset": 10})).json()
    all_of_them = (await tenant.api.get(ALL, params={"limit": 1000})).json()
    beyond = (await tenant.api.get(ALL, params={"offset": 99})).json()

    newest_first = [task.id for task in reversed(added)]
    assert [task["id"] for task in first["results"]] == newest_first[:10]
    assert [task["id"] for task in rest["results"]] == newest_first[10:]
    assert [task["id"] for task in all_of_them["results"]] == newest_first
    assert (first["count"], rest["count"], beyond) == (12, 12, {"count": 12, "results": []})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("offset", "-1"),
        ("state", "DONE"),
        ("project_id", "mine"),
        ("project_id", "99999999999999999999"),
        ("is_acknowledged", "perhaps"),
        ("order_by", "up"),
        ("sorting", "up"),
        ("from_timestamp", "yesterday"),
        ("to_timestamp", "2030-13-01"),
        ("to_timestamp", ""),
    ],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(ALL, params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


async def test_active_tasks_are_the_new_and_running_ones_of_the_place(tenant: Tenant) -> None:
    new, elsewhere, *_ = await add_tasks(tenant)
    running = await add_task(tenant, "stop_vm", state="RUNNING", created_at=NOON + 9 * SECOND)
    path = f"{ALL}/{tenant.place_path}/active"

    assert await list_ids(tenant, path) == [running.id, new.id]
    assert await list_ids(tenant, path, task_type="stop_vm") == [running.id]
    assert await list_ids(tenant, path, task_type=["stop_vm", "create_vm", "x"]) == [running.id, new.id]
    assert (await tenant.api.get(path, params={"limit": 1})).json()["count"] == 2
    assert elsewhere.id not in await list_ids(tenant, path)


@pytest.mark.parametrize("where", ["{theirs}/1", "{own}/9", "987654321/1"])
async def test_a_missing_project_or_region_is_404(tenant: Tenant, stranger: Tenant, where: str) -> None:
    path = where.format(theirs=stranger.project_id, own=tenant.project_id)

    answer = await tenant.api.get(f"{ALL}/{path}/active")

    assert (answer.status_code, answer.json()["exception_class"]) == (404, "NotFoundError")


async def test_a_task_is_returned_with_all_fields(tenant: Tenant) -> None:
    task = await add_task(
        tenant,
        state="FINISHED",
        created_at=NOON,
        updated_at=NOON + SECOND,
        finished_at=NOON + 2 * SECOND,
        request_id="f" * 32,
        data={"name": "web"},
        args={"inside": "hidden"},
        created_resources={"instances": ["i-1"]},
    )

    view = (await tenant.api.get(f"{ALL}/{task.id}")).json()

    assert view == {
        "id": task.id,
        "task_type": "create_vm",
        "state": "FINISHED",
        "detailed_state": None,
        "error": None,
        "data": {"name": "web"},
        "created_resources": {"instances": ["i-1"]},
        "request_id": "f" * 32,
        "client_id": tenant.client_id,
        "user_id": tenant.client_id,
        "user_client_id": tenant.client_id,
        "project_id": tenant.project_id,
        "region_id": REGION,
        "job_id": None,
        "schedule_id": None,
        "lifecycle_policy_id": None,
        "created_on": "2030-01-01T12:00:00",
        "updated_on": "2030-01-01T12:00:01",
        "finished_on": "2030-01-01T12:00:02",
        "acknowledged_at": None,
        "acknowledged_by": None,
    }


@pytest.mark.parametrize(("state", "error"), [("NEW", None), ("RUNNING", None), ("ERROR", "No room")])
async def test_an_error_is_returned_only_once_the_task_has_ended(tenant: Tenant, state: str, error: str | None) -> None:
    task = await add_task(tenant, state=state, error="No room", undoing=True)

    assert (await tenant.api.get(f"{ALL}/{task.id}")).json()["error"] == error


async def test_another_tenants_task_is_404(tenant: Tenant, stranger: Tenant) -> None:
    task = await add_task(tenant, state="FINISHED")

    for verb, path in (("GET", f"{ALL}/{task.id}"), ("POST", f"{ALL}/{task.id}/acknowledge")):
        answer = await stranger.api.request(verb, path)
        assert (answer.status_code, answer.json()["message"]) == (404, f"Task {task.id} could not be found")


async def list_acknowledged(tenant: Tenant, *tasks_: Task) -> list[bool]:
    """Return for each task whether it is acknowledged."""
    views = [(await tenant.api.get(f"{ALL}/{task.id}")).json() for task in tasks_]
    return [task["acknowledged_at"] is not None for task in views]


async def test_only_the_first_acknowledgement_is_recorded(tenant: Tenant) -> None:
    task = await add_task(tenant, state="ERROR", error="No room")

    first = await tenant.api.post(f"{ALL}/{task.id}/acknowledge")
    again = await tenant.api.post(f"{ALL}/{task.id}/acknowledge")

    assert first.status_code == again.status_code == 200
    assert first.json()["acknowledged_by"] == tenant.client_id
    assert first.json()["acknowledged_at"] is not None
    assert first.json() == again.json() == (await tenant.api.get(f"{ALL}/{task.id}")).json()


@pytest.mark.parametrize("state", ["NEW", "RUNNING"])
async def test_a_running_task_cannot_be_acknowledged(tenant: Tenant, state: str) -> None:
    task = await add_task(tenant, state=state)

    answer = await tenant.api.post(f"{ALL}/{task.id}/acknowledge")

    assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")
    assert await list_acknowledged(tenant, task) == [False]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [True, True, False, True]),
        ("?project_id={project}", [True, False, False, True]),
        ("?region_id=2", [False, False, False, True]),
        ("?project_id={project}&region_id=1", [True, False, False, False]),
        ("?project_id=987654321", [False, False, False, False]),
    ],
)
@pytest.mark.parametrize("verb", ["acknowledge_all", "acknowledge"])
async def test_all_ended_tasks_are_acknowledged_at_once(
    tenant: Tenant, stranger: Tenant, verb: str, query: str, expected: list[bool]
) -> None:
    added = [
        await add_task(tenant, state="FINISHED"),
        await add_task(tenant, state="FINISHED", project_id=987654),
        await add_task(tenant, state="RUNNING"),
        await add_task(tenant, state="ERROR", region_id=2),
    ]
    theirs = await add_task(stranger, state="FINISHED")

    answer = await tenant.api.post(f"{ALL}/{verb}{query.format(project=tenant.project_id)}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert await list_acknowledged(tenant, *added) == expected
    assert await list_acknowledged(stranger, theirs) == [False]


@pytest.mark.parametrize(
    ("named", "query", "expected"),
    [
        ([0], "", [True, False, False]),
        ([0, 1, 2], "", [True, True, False]),
        ([0, 1], "?region_id=2", [False, True, False]),
        ([], "", [False, False, False]),
        (None, "", [True, True, False]),
    ],
)
async def test_the_older_endpoint_acknowledges_given_tasks(
    tenant: Tenant, stranger: Tenant, named: list[int] | None, query: str, expected: list[bool]
) -> None:
    added = [
        await add_task(tenant, state="FINISHED"),
        await add_task(tenant, state="ERROR", region_id=2),
        await add_task(tenant, state="NEW"),
    ]
    theirs = await add_task(stranger, state="FINISHED")
    ids = None if named is None else [*(added[at].id for at in named), *([theirs.id, "unknown"] if named else [])]

    answer = await tenant.api.post(f"{ALL}/acknowledge{query}", json={"task_ids": ids})

    assert answer.status_code == 204
    assert await list_acknowledged(tenant, *added) == expected
    assert await list_acknowledged(stranger, theirs) == [False]


@pytest.mark.parametrize(("body", "field"), [({"task_ids": "all"}, "task_ids"), ({"task_ids": [1]}, "task_ids")])
async def test_an_invalid_body_is_400(tenant: Tenant, body: Any, field: str) -> None:
    answer = await tenant.api.post(f"{ALL}/acknowledge", json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_readers_cannot_acknowledge(tenant: Tenant) -> None:
    task = await add_task(tenant, state="FINISHED")

    answers = [
        await tenant.clients[Role.USERS].post(f"{ALL}/{task.id}/acknowledge"),
        await tenant.clients[Role.USERS].post(f"{ALL}/acknowledge_all"),
        await tenant.clients[Role.USERS].post(f"{ALL}/acknowledge"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert await list_acknowledged(tenant, task) == [False]


async def test_the_official_client_sees_the_end_of_a_task_in_its_first_answer(tmp_path: Path) -> None:
    async with (
        run_cloud(checked_settings(data=tmp_path, log_level="error", task_poll_ms=10_000)) as cloud,
        new_tenant(cloud) as tenant,
    ):
        await tenant.api.post("/_pileus/faults", json={"kind": "hold"})
        started = await tenant.sdk.cloud.networks.create(name="net")
        polling = asyncio.create_task(tenant.sdk.cloud.tasks.get(started.tasks[0]))
        assert not (await asyncio.wait({polling}, timeout=0.1))[0]

        await tenant.api.delete("/_pileus/faults")

        assert (await asyncio.wait_for(polling, 30)).state == "FINISHED"


async def test_a_task_that_a_fault_holds_is_answered_after_the_wait(tenant: Tenant) -> None:
    fault = {"kind": "hold", "task_type": "create_network"}
    await tenant.api.post("/_pileus/faults", json=fault)
    started = await tenant.sdk.cloud.networks.create(name="net")

    task = await asyncio.wait_for(tenant.sdk.cloud.tasks.get(started.tasks[0]), 30)

    assert task.state in ("NEW", "RUNNING")


async def test_the_official_client_polls_lists_and_acknowledges(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    cloud = tenant.sdk.cloud

    started = await cloud.instances.action(instance.id, action="stop")
    task = await cloud.tasks.poll(started.tasks[0], polling_interval_seconds=0)
    listed = [task async for task in cloud.tasks.list(limit=1, state=["FINISHED"], from_timestamp="2020-01-01")]
    acknowledged = await cloud.tasks.acknowledge_one(task.id)
    await cloud.tasks.acknowledge_all(project_id=tenant.project_id, region_id=REGION)

    assert (task.state, task.task_type, task.error, task.created_resources) == ("FINISHED", "stop_vm", None, None)
    assert [task.id for task in listed] == [task.id]
    assert acknowledged.acknowledged_by == tenant.client_id
    assert [task.id async for task in cloud.tasks.list(is_acknowledged=False)] == []
