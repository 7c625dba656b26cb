"""The deprecated routes for an instance's tags."""

from typing import Any

import httpx
import pytest

from pileus.store.account import user_actions
from tests.builders import SYSTEM_TAGS, an_instance
from tests.tenants import Tenant


async def get_metadata(tenant: Tenant, instance_id: str) -> dict[str, str]:
    page = (await tenant.api.get(tenant.path("instances", instance_id, "metadata"))).json()
    assert page["count"] == len(page["results"])
    return {tag["key"]: tag["value"] for tag in page["results"] if not tag["read_only"]}


async def send_metadata(tenant: Tenant, method: str, instance_id: str, body: Any) -> httpx.Response:
    return await tenant.api.request(method, tenant.path("instances", instance_id, "metadata"), json=body)


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        ("POST", {"b": "2"}, {"a": "1", "b": "2"}),
        ("POST", {"a": None, "never": None}, {}),
        ("PUT", {"b": "2"}, {"b": "2"}),
        ("PUT", {}, {}),
        ("PUT", {"os_distro": "mine"}, {}),
    ],
)
async def test_metadata_is_changed(tenant: Tenant, method: str, body: dict[str, Any], expected: dict[str, str]) -> None:
    instance = await an_instance(tenant, labels={"a": "1"})

    answer = await send_metadata(tenant, method, instance.id, body)

    all_tags = (await tenant.api.get(tenant.path("instances", instance.id))).json()["tags"]
    assert (answer.status_code, answer.content) == (204, b"")
    assert await get_metadata(tenant, instance.id) == expected
    assert {tag["key"]: tag["value"] for tag in all_tags if tag["read_only"]} == SYSTEM_TAGS


@pytest.mark.parametrize("version", [1, 2])
async def test_a_key_is_shown_and_removed(tenant: Tenant, version: int) -> None:
    instance = await an_instance(tenant, labels={"a": "1"})
    path = tenant.path("instances", instance.id, "metadata", "a")
    query: dict[str, str] = {}
    if version == 2:
        path, query = tenant.path("instances", instance.id, "metadata_item", version=2), {"key": "a"}

    existing = await tenant.api.get(path, params=query)
    removed = await tenant.api.delete(path, params=query)
    gone = await tenant.api.get(path, params=query)
    again = await tenant.api.delete(path, params=query)

    assert existing.json() == {"key": "a", "value": "1", "read_only": False}
    assert removed.status_code == 204
    assert (gone.status_code, again.status_code) == (404, 404)


async def test_a_key_with_a_slash_needs_version_2(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={"capgc/x": "1"})
    path = tenant.path("instances", instance.id, "metadata_item", version=2)

    assert (await tenant.api.get(path, params={"key": "capgc/x"})).json()["value"] == "1"
    assert list((await tenant.api.get(path)).json()["invalid_fields"]) == ["key"]


async def test_a_read_only_key_cannot_be_removed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.delete(tenant.path("instances", instance.id, "metadata", "os_distro"))

    assert answer.status_code == 403
    assert (await tenant.api.get(tenant.path("instances", instance.id, "metadata", "os_distro"))).status_code == 200


@pytest.mark.parametrize("body", [{"a b": "1"}, {"a": ""}, {"a": 5}, [], "text"])
async def test_invalid_metadata_is_refused(tenant: Tenant, body: Any) -> None:
    instance = await an_instance(tenant)

    answers = [await send_metadata(tenant, method, instance.id, body) for method in ("POST", "PUT")]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_a_locked_instance_keeps_its_metadata(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold"})
    await tenant.api.post(tenant.path("instances", instance.id, "action", version=2), json={"action": "stop"})

    answer = await send_metadata(tenant, "POST", instance.id, {"a": "1"})

    assert answer.status_code == 409


async def test_each_change_is_in_the_audit_log(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={"a": "1"})
    await send_metadata(tenant, "POST", instance.id, {"b": "2"})
    await send_metadata(tenant, "PUT", instance.id, {"c": "3"})
    await tenant.api.delete(tenant.path("instances", instance.id, "metadata", "c"))

    async with tenant.running.app_state.db.read() as tx:
        actions = await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at, id", id=tenant.client_id)
    assert [action.action_type for action in actions] == ["update_metadata", "replace_metadata", "delete_metadata"]
