"""Ids in answers: their form, and the order of those in tables that only grow."""

from collections.abc import Iterator
from typing import Any

import pytest

from pileus.domain.ids import UUID_TEXT, parse_id_cell, parse_id_time
from tests.api.routes import AUTHENTICATED, Endpoint
from tests.domain.test_ids import is_version_4
from tests.tenants import Tenant

SECOND = 1_000_000
CATALOGUE_LISTS = [
    endpoint
    for endpoint in AUTHENTICATED
    if endpoint.method == "GET" and endpoint.named <= {"project_id", "region_id"} and endpoint.path.startswith("/cloud")
]
WITH_CATALOGUE_IDS = {
    "/cloud/v1/availablenetworks/{project_id}/{region_id}",
    "/cloud/v1/bmimages/{project_id}/{region_id}",
    "/cloud/v1/images/{project_id}/{region_id}",
    "/cloud/v1/regions",
    "/cloud/v1/regions/{region_id}",
}
"""Lists that show ids of the catalogue to every tenant."""


async def create_volumes(tenant: Tenant) -> list[str]:
    """Create three volumes one after the other; return the ids of the tasks."""
    task_ids = []
    for name in ("first", "second", "third"):
        body = {"source": "new-volume", "name": name, "size": 1}
        task_ids += (await tenant.api.post(tenant.path("volumes"), json=body)).json()["tasks"]
    return task_ids


async def test_ids_of_tasks_sort_by_time_and_hold_it(tenant: Tenant) -> None:
    task_ids = await create_volumes(tenant)

    assert all(is_version_4(task_id) and parse_id_cell(task_id) == 0 for task_id in task_ids)
    assert task_ids == sorted(task_ids)
    assert all(abs(parse_id_time(task_id) - tenant.running.app_state.now()) < 600 * SECOND for task_id in task_ids)


async def test_ids_of_the_audit_log_sort_by_time(tenant: Tenant) -> None:
    await create_volumes(tenant)

    answer = await tenant.api.get("/cloud/v1/user_actions", params={"order_by": "asc"})

    entries = answer.json()["results"]
    assert [entry["action_data"]["name"] for entry in entries] == ["first", "second", "third"]
    ids = [entry["id"] for entry in entries]
    assert all(is_version_4(identity) and parse_id_cell(identity) == 0 for identity in ids)
    assert ids == sorted(ids)


async def test_ids_of_resources_are_random(tenant: Tenant) -> None:
    tasks = [await tenant.wait_for_task(task_id) for task_id in await create_volumes(tenant)]

    volume_ids = [volume_id for task in tasks for volume_id in task["created_resources"]["volumes"]]
    assert all(is_version_4(volume_id) and parse_id_cell(volume_id) == 0 for volume_id in volume_ids)
    assert len({volume_id[:4] for volume_id in volume_ids}) > 1


@pytest.mark.parametrize("endpoint", CATALOGUE_LISTS, ids=str)
async def test_every_uuid_that_a_new_tenant_sees_has_version_4(tenant: Tenant, endpoint: Endpoint) -> None:
    ids = {"project_id": str(tenant.project_id), "region_id": "1"}

    answer = await tenant.api.get(endpoint.path.format_map(ids))

    uuids = set(list_uuids(answer.json())) if answer.status_code == 200 and answer.content else set()
    assert all(is_version_4(identity) for identity in uuids), uuids
    assert uuids or endpoint.path not in WITH_CATALOGUE_IDS


def test_the_lists_of_the_catalogue_are_among_them() -> None:
    assert {endpoint.path for endpoint in CATALOGUE_LISTS} >= WITH_CATALOGUE_IDS


def list_uuids(value: Any) -> Iterator[str]:
    """Yield every string that is a UUID, and every key."""
    if isinstance(value, dict):
        yield from list_uuids([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from list_uuids(item)
    elif isinstance(value, str) and UUID_TEXT.fullmatch(value):
        yield value
