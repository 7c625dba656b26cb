"""Create, list, rename and delete projects."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest
from gcore import BadRequestError, NotFoundError

from pileus.domain.account.access import Role
from pileus.store.account import user_actions
from tests.tenants import Tenant

ALL = "/cloud/v1/projects"
NAME_RULE = "String should match pattern '^[a-zA-Z0-9][a-zA-Z 0-9._\\-]{1,61}[a-zA-Z0-9._]$'"


async def create(tenant: Tenant, name: str, **more: Any) -> dict[str, Any]:
    """Create a project over HTTP."""
    answer = await tenant.api.post(ALL, json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def list_names(tenant: Tenant, **parameters: Any) -> list[str]:
    """Return the listed names, and check the count."""
    answer = (await tenant.api.get(ALL, params=parameters)).json()
    assert answer["count"] == len(answer["results"])
    return [project["name"] for project in answer["results"]]


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["exception_class"]


async def test_a_project_is_created_and_returned_with_all_fields(tenant: Tenant) -> None:
    project = await create(tenant, "staging", description="For rehearsals")

    assert project == (await tenant.api.get(f"{ALL}/{project['id']}")).json()
    assert project["created_at"].count(".") == 1
    assert datetime.fromisoformat(project["created_at"]).tzinfo is None
    del project["created_at"], project["id"]
    assert project == {
        "client_id": tenant.client_id,
        "name": "staging",
        "description": "For rehearsals",
        "state": "ACTIVE",
        "is_default": False,
        "task_id": None,
        "deleted_at": None,
    }


@pytest.mark.parametrize(
    ("body", "complaints"),
    [
        ({}, {"name": ["Field required"]}),
        ({"name": "ab"}, {"name": [NAME_RULE]}),
        ({"name": "a" * 64}, {"name": [NAME_RULE]}),
        ({"name": "-abc"}, {"name": [NAME_RULE]}),
        ({"name": None}, {"name": ["Input should be a valid string"]}),
        ({"name": "abc", "description": "d" * 256}, {"description": ["String should have at most 255 characters"]}),
    ],
)
async def test_an_invalid_project_names_the_field(tenant: Tenant, body: Any, complaints: dict[str, list[str]]) -> None:
    answer = await tenant.api.post(ALL, json=body)

    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, complaints)


async def test_a_name_is_unique_within_a_tenant(tenant: Tenant, stranger: Tenant) -> None:
    await create(tenant, "staging")

    assert error_of(await tenant.api.post(ALL, json={"name": "staging"})) == (409, "ConflictError")
    assert (await create(stranger, "staging"))["client_id"] == stranger.client_id


async def test_of_concurrent_creations_with_one_name_one_succeeds(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(tenant.api.post(ALL, json={"name": "wanted"}) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert await list_names(tenant, name="wanted") == ["wanted"]


async def test_a_project_without_a_description_has_null(tenant: Tenant) -> None:
    project = await create(tenant, "staging")

    (listed,) = (await tenant.api.get(ALL, params={"name": "staging"})).json()["results"]
    assert listed["description"] is project["description"] is None
    assert listed["created_at"] == project["created_at"]


@pytest.mark.parametrize(("name", "expected"), [("Default", ["default"]), ("DEFAULT", ["default"]), ("defaul", [])])
async def test_the_filter_by_name_ignores_case(tenant: Tenant, name: str, expected: list[str]) -> None:
    assert await list_names(tenant, name=name) == expected


async def test_the_quota_of_projects_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tenant.running.app_state.catalogue.quotas, "project_count", 2)
    await create(tenant, "second")

    answer = await tenant.api.post(ALL, json={"name": "third"})

    assert error_of(answer) == (400, "QuotaLimitExceed")
    assert answer.json()["info"] == {
        "attribute": "project_count", "current_usage": 2, "requested_usage": 3, "limit": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["Zulu", "beta", "alpha", "default"]),
        ({"order_by": "created_at.desc"}, ["Zulu", "beta", "alpha", "default"]),
        ({"order_by": "created_at.asc"}, ["default", "alpha", "beta", "Zulu"]),
        ({"order_by": "name.asc"}, ["Zulu", "alpha", "beta", "default"]),
        ({"order_by": "name.desc"}, ["default", "beta", "alpha", "Zulu"]),
        ({"name": "beta"}, ["beta"]),
        ({"name": "bet"}, []),
        ({"name": ""}, []),
    ],
)
async def test_a_list_is_filtered_and_ordered(tenant: Tenant, parameters: dict[str, Any], expected: list[str]) -> None:
    for name in ("alpha", "beta", "Zulu"):
        await create(tenant, name)

    assert await list_names(tenant, **parameters) == expected


async def test_a_page_is_a_part_and_count_is_the_total(tenant: Tenant) -> None:
    for name in ("alpha", "beta", "gamma"):
        await create(tenant, name)

    page = (await tenant.api.get(ALL, params={"limit": 2, "offset": 1, "order_by": "name.asc"})).json()

    assert (page["count"], [project["name"] for project in page["results"]]) == (4, ["beta", "default"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("order_by", "id"), ("include_deleted", "x")],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(ALL, params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"description": "new"}, {"description": "new"}),
        ({"description": None}, {"description": None}),
        ({"name": "other", "description": ""}, {"name": "other", "description": ""}),
        ({"name": "staging"}, {}),
        ({}, {}),
        ({"surprise": 1}, {}),
    ],
)
async def test_absent_fields_do_not_change(tenant: Tenant, patch: dict[str, Any], changed: dict[str, Any]) -> None:
    project = await create(tenant, "staging", description="old")

    answer = await tenant.api.patch(f"{ALL}/{project['id']}", json=patch)

    assert answer.json() == {**project, **changed} == (await tenant.api.get(f"{ALL}/{project['id']}")).json()


async def test_a_rename_to_a_taken_name_is_409(tenant: Tenant) -> None:
    project = await create(tenant, "staging")

    answer = await tenant.api.patch(f"{ALL}/{project['id']}", json={"name": "default"})

    assert error_of(answer) == (409, "ConflictError")
    assert await list_names(tenant, name="staging") == ["staging"]


async def test_another_tenants_project_is_404(tenant: Tenant, stranger: Tenant) -> None:
    for number in (tenant.project_id, 987654321, 10**30):
        for verb, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            answer = await stranger.api.request(verb, f"{ALL}/{number}", json=body)
            assert (answer.status_code, answer.json()["message"]) == (404, f"Project {number} could not be found")
    assert await list_names(stranger) == ["default"]


@pytest.mark.parametrize("role", [Role.USERS, Role.ENGINEERS])
async def test_only_administrators_change_projects(tenant: Tenant, role: Role) -> None:
    client = tenant.clients[role]

    answers = [
        await client.post(ALL, json={"name": "mine"}),
        await client.patch(f"{ALL}/{tenant.project_id}", json={"name": "mine"}),
        await client.delete(f"{ALL}/{tenant.project_id}"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (await client.get(ALL)).json()["count"] == 1


async def delete_project(tenant: Tenant, project_id: int) -> httpx.Response:
    return await tenant.api.delete(f"{ALL}/{project_id}")


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    project = await create(tenant, "second")
    await tenant.api.patch(f"{ALL}/{project['id']}", json={"description": "new"})
    await tenant.api.post(ALL, json={"name": "second"})
    task = await tenant.wait_until_finished(await delete_project(tenant, project["id"]))

    async with tenant.running.app_state.db.read() as tx:
        lines = await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)

    entries = [(line.api_group, line.action_type, line.project_id, line.region_id, line.task_id) for line in lines]
    assert entries == [
        ("project", "create", project["id"], None, None),
        ("project", "update", project["id"], None, None),
        ("project", "delete", project["id"], None, task["id"]),
    ]
    resource = {"resource_id": str(project["id"]), "resource_type": "project", "search_field": "second"}
    assert [line.resources for line in lines] == [[resource]] * 3
    assert lines[1].action_data == {"description": "new"}


async def test_the_official_client_uses_all_endpoints(tenant: Tenant, stranger: Tenant) -> None:
    projects = tenant.sdk.cloud.projects

    created = await projects.create(name="second", description="For rehearsals")
    renamed = await projects.update(project_id=created.id, name="third")
    listed = [project async for project in projects.list(name="third")]
    task = await tenant.sdk.cloud.tasks.poll((await projects.delete(project_id=created.id)).tasks[0])

    assert (created.name, renamed.name, renamed.description) == ("second", "third", "For rehearsals")
    assert listed == [renamed]
    assert task.state == "FINISHED"
    with pytest.raises(NotFoundError):
        await projects.get(project_id=created.id)
    with pytest.raises(BadRequestError):
        await projects.delete(project_id=tenant.project_id)
    with pytest.raises(NotFoundError):
        await stranger.sdk.cloud.projects.get(project_id=tenant.project_id)
