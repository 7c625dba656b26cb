"""The audit log and its filters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pileus.domain.account.user_actions import UserAction
from pileus.store.account import user_actions
from tests.builders import an_instance, record_fields
from tests.tenants import REGION, Tenant

NOON = int(datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
SECOND = 1_000_000
ALL = "/cloud/v1/user_actions"
CURL, SDK = "curl/8.5", "Gcore/Python 0.59 (x=y; 50%)"


async def add_entry(tenant: Tenant, resource_id: str, search_field: str | None = None, **changes: Any) -> UserAction:
    """Add an entry about one resource."""
    resource = {"resource_id": resource_id, "resource_type": "instance"}
    fields = {
        "user_id": tenant.client_id,
        "email": "user@example.com",
        "token_id": 7,
        "api_group": "instance",
        "action_type": "update",
        "action_data": {"name": "web"},
        "resources": [resource | ({"search_field": search_field} if search_field else {})],
        "task_id": None,
        "source_user_ip": "192.0.2.1",
        "user_agent": SDK,
    }
    line = UserAction(**{**record_fields(tenant), **fields, **changes})
    await tenant.running.app_state.db.write(lambda tx: user_actions.add(tx, line, line.created_at))
    return line


async def add_entries(tenant: Tenant) -> list[UserAction]:
    """Add four different entries, one second apart."""
    return [
        await add_entry(tenant, "i-1", "web 1", created_at=NOON),
        await add_entry(tenant, "i-2", 'a "b" \\c_%', created_at=NOON + SECOND, action_type="delete", user_agent=CURL),
        await add_entry(
            tenant, "v_1", created_at=NOON + 2 * SECOND, api_group="volume", region_id=2, source_user_ip="2001:db8::1"
        ),
        await add_entry(
            tenant, "7", "Staging", created_at=NOON + 3 * SECOND + 1, api_group="project", action_type="create",
            project_id=None, region_id=None, source_user_ip=None, user_agent=None,
        ),
    ]  # fmt: skip


async def list_ids(tenant: Tenant, **parameters: Any) -> list[str]:
    """Return the listed ids, and check the count."""
    answer = await tenant.api.get(ALL, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["results"])
    return [line["id"] for line in answer.json()["results"]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [3, 2, 1, 0]),
        ({"order_by": "asc"}, [0, 1, 2, 3]),
        ({"order_by": "desc"}, [3, 2, 1, 0]),
        ({"sorting": "asc"}, [0, 1, 2, 3]),
        ({"sorting": "asc", "order_by": "desc"}, [3, 2, 1, 0]),
        ({"action_type": "delete"}, [1]),
        ({"action_type": ["delete", "create"]}, [3, 1]),
        ({"action_type": "retype"}, []),
        ({"api_group": "volume"}, [2]),
        ({"api_group": ["volume", "project"]}, [3, 2]),
        ({"region_id": 2}, [2]),
        ({"region_id": [1, 2]}, [2, 1, 0]),
        ({"resource_id": "i-1"}, [0]),
        ({"resource_id": ["i-1", "7"]}, [3, 0]),
        ({"resource_id": "i-"}, []),
        ({"resource_id": "v_1"}, [2]),
        ({"resource_id": "v%"}, []),
        ({"resource_id": "_-1"}, []),
        ({"resource_id": "instance"}, []),
        ({"search_field": "web 1"}, [0]),
        ({"search_field": "web"}, []),
        ({"search_field": 'a "b" \\c_%'}, [1]),
        ({"search_field": "staging"}, [3]),
        ({"source_user_ips": "2001:db8::1"}, [2]),
        ({"source_user_ips": ["2001:db8::1", "192.0.2.1"]}, [2, 1, 0]),
        ({"user_agents": CURL}, [1]),
        ({"user_agents": [CURL, SDK]}, [2, 1, 0]),
        ({"user_agents": "curl"}, []),
        ({"from_timestamp": "2030-01-01T12:00:01+00:00"}, [3, 2, 1]),
        ({"to_timestamp": "2030-01-01T12:00:01+00:00"}, [1, 0]),
        ({"to_timestamp": "2030-01-01T12:00:03Z"}, [3, 2, 1, 0]),
        ({"from_timestamp": "2030-01-01T12:00:01", "to_timestamp": "2030-01-01T12:00:02"}, [2, 1]),
        ({"api_group": "instance", "action_type": "update"}, [0]),
    ],
)
async def test_the_log_is_filtered_and_ordered(tenant: Tenant, parameters: dict[str, Any], expected: list[int]) -> None:
    entries = await add_entries(tenant)

    assert await list_ids(tenant, **parameters) == [entries[at].id for at in expected]


async def test_the_log_has_only_the_tenants_own_entries(tenant: Tenant, stranger: Tenant) -> None:
    entries = await add_entries(tenant)
    theirs = await add_entry(stranger, "i-1")

    assert await list_ids(stranger) == [theirs.id]
    assert await list_ids(stranger, project_id=tenant.project_id) == []
    assert await list_ids(tenant, project_id=[tenant.project_id, stranger.project_id]) == [
        line.id for line in entries[2::-1]
    ]


async def test_an_entry_is_returned_with_all_fields(tenant: Tenant) -> None:
    line = await add_entry(tenant, "i-1", "web", created_at=NOON, task_id="t-1")

    (view,) = (await tenant.api.get(ALL)).json()["results"]

    assert view == {
        "id": line.id,
        "timestamp": "2030-01-01T12:00:00+00:00",
        "client_id": tenant.client_id,
        "user_id": tenant.client_id,
        "email": "user@example.com",
        "token_id": 7,
        "project_id": tenant.project_id,
        "region_id": REGION,
        "api_group": "instance",
        "action_type": "update",
        "action_data": {"name": "web"},
        "resources": [{"resource_id": "i-1", "resource_type": "instance", "search_field": "web"}],
        "task_id": "t-1",
        "source_user_ip": "192.0.2.1",
        "user_agent": SDK,
        "issued_by_user_id": None,
        "acknowledged": False,
        "is_complete": True,
        "total_price": None,
    }


async def test_a_page_is_a_part_and_count_is_the_total(tenant: Tenant) -> None:
    entries = await add_entries(tenant)

    page = (await tenant.api.get(ALL, params={"limit": 2, "offset": 1})).json()

    assert (page["count"], [line["id"] for line in page["results"]]) == (4, [entries[2].id, entries[1].id])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("offset", "-1"),
        ("project_id", "mine"),
        ("order_by", "up"),
        ("sorting", "up"),
        ("from_timestamp", "yesterday"),
        ("to_timestamp", "25:00"),
    ],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(ALL, params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


async def test_only_successful_changes_are_logged_with_user_and_source(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id)
    await tenant.api.patch(path, json={"name": "db-1"}, headers={"User-Agent": CURL})
    await tenant.api.patch(path, json={"name": "-"})
    await tenant.api.patch(tenant.path("instances", "nothing"), json={"name": "db-1"})

    (line,) = (await tenant.api.get(ALL, params={"resource_id": instance.id, "search_field": "DB-1"})).json()["results"]

    assert (line["action_type"], line["action_data"], line["user_agent"]) == ("update", {"name": "db-1"}, CURL)
    assert (line["email"], line["source_user_ip"]) == (f"user-{tenant.client_id}@example.com", "127.0.0.1")
    assert line["token_id"] is not None
    assert len(await list_ids(tenant)) == 1


async def test_the_official_client_reads_the_log(tenant: Tenant) -> None:
    entries = await add_entries(tenant)

    expected = tenant.sdk.cloud.audit_logs.list(
        limit=1, api_group=["instance"], order_by="asc", from_timestamp="2030-01-01"
    )

    assert [line.id async for line in expected] == [entries[0].id, entries[1].id]
