"""The older endpoints for the tags of volumes and snapshots."""

import pytest

from pileus.domain.tags import make_tags
from pileus.store import tags
from pileus.store.storage import volumes
from tests.builders import place_of
from tests.storage import a_snapshot, a_volume, list_user_actions
from tests.tenants import Tenant


async def a_tagged_volume(tenant: Tenant, **labels: str) -> str:
    """Create a volume with two tags and a read-only one; return its path."""
    volume = await a_volume(tenant)
    given = make_tags(labels.items()) | make_tags([("task_id", "t")], read_only=True)
    await tenant.running.app_state.db.write(lambda tx: tags.add(tx, volumes.KIND, place_of(tenant), volume.id, given))
    return tenant.path("volumes", volume.id)


async def current_tags(tenant: Tenant, path: str) -> dict[str, str]:
    """Return the tags as the older endpoint lists them."""
    answer = (await tenant.api.get(f"{path}/metadata")).json()
    assert answer["results"] == (await tenant.api.get(path)).json()["tags"]
    assert answer["count"] == len(answer["results"])
    return {tag["key"]: tag["value"] for tag in answer["results"]}


async def test_tags_are_set_removed_and_replaced(tenant: Tenant) -> None:
    path = await a_tagged_volume(tenant, a="1", b="2")

    answer = await tenant.api.post(f"{path}/metadata", json={"a": "x", "c": "3", "b": None, "task_id": "mine"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await current_tags(tenant, path) == {"a": "x", "c": "3", "task_id": "t"}

    answer = await tenant.api.put(f"{path}/metadata", json={"d": "4"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await current_tags(tenant, path) == {"d": "4", "task_id": "t"}


async def test_one_tag_is_returned_and_deleted(tenant: Tenant) -> None:
    path = await a_tagged_volume(tenant, **{"a/b": "1"})
    item = f"{path}/metadata_item"

    assert (await tenant.api.get(item, params={"key": "a/b"})).json() == {
        "key": "a/b",
        "value": "1",
        "read_only": False,
    }
    assert (await tenant.api.delete(item, params={"key": "a/b"})).status_code == 204
    assert await current_tags(tenant, path) == {"task_id": "t"}
    for answer in (
        await tenant.api.get(item, params={"key": "a/b"}),
        await tenant.api.delete(item, params={"key": "a/b"}),
    ):
        assert (answer.status_code, answer.json()["message"]) == (404, "Tag a/b could not be found")


async def test_a_read_only_tag_cannot_be_deleted(tenant: Tenant) -> None:
    path = await a_tagged_volume(tenant)

    answer = await tenant.api.delete(f"{path}/metadata_item", params={"key": "task_id"})

    assert (answer.status_code, answer.json()["exception_class"]) == (403, "ForbiddenError")
    assert await current_tags(tenant, path) == {"task_id": "t"}


async def test_the_key_is_required(tenant: Tenant) -> None:
    path = await a_tagged_volume(tenant)

    for answer in (await tenant.api.get(f"{path}/metadata_item"), await tenant.api.delete(f"{path}/metadata_item")):
        assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {"key": ["Field required"]})


@pytest.mark.parametrize("body", [{"a b": "c"}, {"a": ""}, {"a": 1}, [], {"a": "b", "a ": "c"}])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_an_invalid_tag_is_400(tenant: Tenant, method: str, body: object) -> None:
    path = await a_tagged_volume(tenant, a="1")

    assert (await tenant.api.request(method, f"{path}/metadata", json=body)).status_code == 400
    assert await current_tags(tenant, path) == {"a": "1", "task_id": "t"}


async def test_replacing_a_snapshots_tags_returns_the_snapshot(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant), labels={"a": "1"})
    path = tenant.path("snapshots", snapshot.id)

    answer = await tenant.api.put(f"{path}/metadata", json={"b": "2", "c": None})

    assert (answer.status_code, answer.json()) == (200, (await tenant.api.get(path)).json())
    assert [(tag["key"], tag["value"]) for tag in answer.json()["tags"]] == [("b", "2")]


async def test_the_tags_of_a_locked_snapshot_cannot_change(tenant: Tenant) -> None:
    snapshot = await a_snapshot(tenant, await a_volume(tenant), task_id="t")

    answer = await tenant.api.put(tenant.path("snapshots", snapshot.id, "metadata"), json={"b": "2"})

    assert answer.status_code == 409


async def test_each_tag_change_is_in_the_audit_log_under_its_own_action(tenant: Tenant) -> None:
    path = await a_tagged_volume(tenant)
    snapshot = await a_snapshot(tenant, await a_volume(tenant))
    await tenant.api.post(f"{path}/metadata", json={"a": "1"})
    await tenant.api.put(f"{path}/metadata", json={"b": "1"})
    await tenant.api.delete(f"{path}/metadata_item", params={"key": "b"})
    await tenant.api.put(tenant.path("snapshots", snapshot.id, "metadata"), json={"b": "2"})

    assert [(line.api_group, line.action_type, line.action_data) for line in await list_user_actions(tenant)] == [
        ("volume", "update_metadata", {"metadata": {"a": "1"}}),
        ("volume", "replace_metadata", {"metadata": {"b": "1"}}),
        ("volume", "delete_metadata", {"metadata": {}}),
        ("snapshot", "replace_metadata", {"metadata": {"b": "2"}}),
    ]
