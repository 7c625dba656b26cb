"""Update instance: every rule of the operation, over HTTP, on both databases."""

import asyncio
import dataclasses
import json
from typing import Any

import httpx
import pytest
from gcore import BadRequestError
from litestar import Litestar
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.instances import Instance
from pileus.settings import Settings
from pileus.store.account import user_actions
from pileus.store.compute import instances
from tests.builders import SYSTEM_TAGS, an_instance, place_of
from tests.tenants import Tenant

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
LABELS = {"env": "prod", "team": "a"}
NAME_RULE = "String should match pattern '^[a-zA-Z0-9][a-zA-Z 0-9._\\-]{1,61}[a-zA-Z0-9._]$'"
KEY_RULE = "Tag key must have 1 to 255 characters, without white space and '='"
VALUE_RULE = "Tag value must have 1 to 255 characters, without tabs and line breaks"
NOT_A_MAP = "Input should be a valid dictionary"
NOT_A_STRING = "Input should be a valid string"


def user_tags(answer: httpx.Response) -> dict[str, str]:
    """Return the tags that are not read-only."""
    assert answer.status_code == 200, answer.text
    return {tag["key"]: tag["value"] for tag in answer.json()["tags"] if not tag["read_only"]}


async def patch_instance(tenant: Tenant, instance: Instance, body: Any) -> httpx.Response:
    return await tenant.api.patch(tenant.path("instances", instance.id), json=body)


async def get_instance(tenant: Tenant, instance: Instance) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("instances", instance.id))).json())


async def get_audit_log(tenant: Tenant) -> list[UserAction]:
    async with tenant.running.app_state.db.read() as tx:
        return await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)


async def test_the_response_is_the_updated_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    before = await get_instance(tenant, instance)

    answer = await patch_instance(tenant, instance, {"name": "db-1", "tags": {"env": "test"}})

    assert answer.status_code == 200
    assert answer.json() == await get_instance(tenant, instance)
    changed = {key for key, value in answer.json().items() if value != before[key]}
    assert changed == {"name", "tags", "instance_name", "metadata", "metadata_detailed"}
    assert answer.json()["name"] == "db-1"
    assert len(before) == 28


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"tags": {}}, LABELS),
        ({"name": "other"}, LABELS),
        ({"tags": {"env": "test"}}, {"env": "test", "team": "a"}),
        ({"tags": {"new": "1"}}, {**LABELS, "new": "1"}),
        ({"tags": {"env": None}}, {"team": "a"}),
        ({"tags": {"missing": None}}, LABELS),
        ({"tags": {"env": None, "team": None, "only": "this"}}, {"only": "this"}),
        ({"tags": None}, {}),
        ({"tags": {"  env ": "  a b  "}}, {"env": "a b", "team": "a"}),
        ({"tags": {"env ": None}}, {"team": "a"}),
        ({"tags": {"k" * 255: "v" * 255}}, {**LABELS, "k" * 255: "v" * 255}),
        ({"tags": {"a/b.c:d": "x=y", "ключ": "значение 🌩"}}, {**LABELS, "a/b.c:d": "x=y", "ключ": "значение 🌩"}),
        ({"flavor": "none", "tags": {"env": "test"}, "surprise": [1]}, {"env": "test", "team": "a"}),
    ],
)
async def test_tags_follow_the_merge_patch(tenant: Tenant, patch: dict[str, Any], expected: dict[str, str]) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    answer = await patch_instance(tenant, instance, patch)

    assert user_tags(answer) == expected
    assert answer.json() == await get_instance(tenant, instance)


@pytest.mark.parametrize(
    "tags", [{"os_distro": None}, {"os_distro": "mine", "os_type": None}, None, {"os_version": None, "env": None}]
)
async def test_read_only_tags_never_change(tenant: Tenant, tags: dict[str, Any] | None) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    answer = await patch_instance(tenant, instance, {"tags": tags})

    assert answer.status_code == 200
    read_only = {tag["key"]: tag["value"] for tag in answer.json()["tags"] if tag["read_only"]}
    assert read_only == SYSTEM_TAGS


async def test_tags_are_sorted_by_key(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={"zebra": "1", "Apple": "2", "apple": "3", "os_a": "4", "é": "5"})

    answer = await patch_instance(tenant, instance, {"tags": {"middle": "6"}})

    keys = [tag["key"] for tag in answer.json()["tags"]]
    assert keys == sorted(keys)
    assert len(keys) == 6 + len(SYSTEM_TAGS)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0 web.server_1-b", "a  .", "Web-Server_1"])
async def test_a_valid_name_is_accepted(tenant: Tenant, name: str) -> None:
    instance = await an_instance(tenant)

    answer = await patch_instance(tenant, instance, {"name": name})

    assert (answer.status_code, answer.json()["name"]) == (200, name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 64, "-abc", "abc-", " abc", "abc ", "abc\n", "a/c", "äbc", "a\tc"])
async def test_an_invalid_name_is_refused(tenant: Tenant, name: str) -> None:
    instance = await an_instance(tenant)

    answer = await patch_instance(tenant, instance, {"name": name})

    assert answer.status_code == 400
    assert answer.json()["exception_class"] == "ValidationError"
    assert answer.json()["invalid_fields"] == {"name": [NAME_RULE]}
    assert answer.json()["message"] == f"Validation Error: {answer.json()['invalid_fields']}"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": None}, {"name": [NOT_A_STRING]}),
        ({"name": 7}, {"name": [NOT_A_STRING]}),
        ({"tags": []}, {"tags": [NOT_A_MAP]}),
        ({"tags": "env=prod"}, {"tags": [NOT_A_MAP]}),
        ({"tags": {"env": 7}}, {"tags": {"env": [NOT_A_STRING]}}),
        ({"tags": {"env": {"a": "b"}}}, {"tags": {"env": [NOT_A_STRING]}}),
        ({"tags": {"": "x"}}, {"tags": [KEY_RULE]}),
        ({"tags": {"a b": "x"}}, {"tags": [KEY_RULE]}),
        ({"tags": {"a=b": None}}, {"tags": [KEY_RULE]}),
        ({"tags": {"k" * 256: "x"}}, {"tags": [KEY_RULE]}),
        ({"tags": {"a": " "}}, {"tags": [VALUE_RULE]}),
        ({"tags": {"a": "b\tc"}}, {"tags": [VALUE_RULE]}),
        ({"tags": {"a": "b\nc"}}, {"tags": [VALUE_RULE]}),
        ({"tags": {"a": "v" * 256}}, {"tags": [VALUE_RULE]}),
        ({"tags": {"env": "1", "env ": "2"}}, {"tags": ["Tag keys must differ by more than blanks at their ends"]}),
        ({"name": "x", "tags": {"a b": "", "c": "d"}}, {"name": [NAME_RULE], "tags": [KEY_RULE, VALUE_RULE]}),
        ({"name": False, "tags": {"a": 1}}, {"name": [NOT_A_STRING], "tags": {"a": [NOT_A_STRING]}}),
    ],
)
async def test_all_invalid_fields_are_named_and_nothing_changes(
    tenant: Tenant, body: dict[str, Any], fields: dict[str, Any]
) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    before = await get_instance(tenant, instance)

    answer = await patch_instance(tenant, instance, body)

    assert answer.status_code == 400
    assert answer.json()["exception_class"] == "ValidationError"
    assert answer.json()["invalid_fields"] == fields
    assert await get_instance(tenant, instance) == before
    assert await get_audit_log(tenant) == []


@pytest.mark.parametrize("content", [b"{", b"null", b"[]", b'"name"', b"7", b"name=web", b"\xff\xfe", b'{"name":}'])
async def test_a_body_that_is_not_a_json_object_is_refused(tenant: Tenant, content: bytes) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.patch(
        tenant.path("instances", instance.id), content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["exception_class"] == "ValidationError"
    assert list(answer.json()["invalid_fields"]) == ["body"]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/merge-patch+json", "application/json; charset=utf-8"]
)
async def test_json_and_merge_patch_media_types_are_accepted(tenant: Tenant, kind: str) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.patch(
        tenant.path("instances", instance.id),
        content=json.dumps({"tags": {"sent": "as"}}),
        headers={"content-type": kind},
    )

    assert user_tags(answer) == {"sent": "as"}


async def test_a_foreign_instance_is_not_found_like_an_unknown_one(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(tenant)
    paths = [
        stranger.path("instances", instance.id),
        tenant.path("instances", instance.id),
        f"/cloud/v1/instances/{tenant.project_id}/2/{instance.id}",
        f"/cloud/v1/instances/{stranger.project_id}/1/{instance.id}",
        f"/cloud/v1/instances/99999/1/{instance.id}",
    ]

    for path in paths:
        client = tenant.api if path == paths[3] else stranger.api
        bodies: list[dict[str, Any]] = [{"name": "mine"}, {"tags": {}}]
        for body in bodies:
            answer = (
                await client.patch(path, json=body) if path != paths[2] else await tenant.api.patch(path, json=body)
            )
            assert answer.status_code == 404
            assert answer.json()["exception_class"] == "NotFoundError"
            assert answer.json()["message"] == f"Instance {instance.id} could not be found"
    unknown = await tenant.api.patch(tenant.path("instances", UNKNOWN_ID), json={"tags": {}})
    assert unknown.json()["message"] == f"Instance {UNKNOWN_ID} could not be found"
    assert (await get_instance(tenant, instance))["name"] == "web"


async def test_a_locked_instance_cannot_be_updated_until_it_is_unlocked(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    db = tenant.running.app_state.db
    locked = await db.write(lambda tx: instances.save(tx, instance, instance.locked("task-1")))

    bodies: list[dict[str, Any]] = [{"name": "other"}, {"tags": {"a": "b"}}, {"tags": None}, {"tags": {}}]
    for body in bodies:
        answer = await patch_instance(tenant, instance, body)
        assert answer.status_code == 409
        assert answer.json()["exception_class"] == "ConflictError"
        assert answer.json()["message"] == (
            f"Operation on resource `{instance.id}` currently locked by running task `task-1` to prevent concurrent"
            " operations. Repeat request a little later. "
        )
    assert await get_audit_log(tenant) == []

    await db.write(lambda tx: instances.save(tx, locked, locked.unlocked()))
    assert user_tags(await patch_instance(tenant, instance, {"tags": {}})) == LABELS


async def test_every_update_is_in_the_audit_log(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await patch_instance(tenant, instance, {"name": "renamed", "tags": {" a ": "b", "c": None}})

    (entry,) = await get_audit_log(tenant)
    assert (entry.api_group, entry.action_type) == ("instance", "update")
    assert entry.action_data == {"name": "renamed", "tags": {"a": "b", "c": None}}
    assert (entry.project_id, entry.region_id, entry.user_id) == (tenant.project_id, 1, tenant.client_id)
    assert instance.id in str(entry.resources)


async def test_an_update_without_its_audit_entry_is_rolled_back(tenant: Tenant) -> None:
    """All audit entries get the same id, so every second insert fails."""
    cloud, instance = tenant.running.app_state, await an_instance(tenant, labels=LABELS)
    broken = dataclasses.replace(cloud, new_ordered_id=lambda: "00000000-0000-4000-8000-000000000001")
    async with client_of(create_app(Settings(), broken, ServerMetrics(CollectorRegistry())), tenant) as api:
        path = tenant.path("instances", instance.id)
        assert (await api.patch(path, json={"tags": {}})).status_code in (200, 409)
        before = await get_instance(tenant, instance)
        answer = await api.patch(path, json={"name": "other", "tags": {"env": "test"}})

    assert answer.status_code == 409
    assert await get_instance(tenant, instance) == before
    assert len(await get_audit_log(tenant)) <= 1


def client_of(app: Litestar, tenant: Tenant) -> httpx.AsyncClient:
    transport: Any = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]  # an ASGI app
    return httpx.AsyncClient(transport=transport, base_url="http://pileus.test", headers=dict(tenant.api.headers))


async def test_legacy_fields_repeat_the_updated_values(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    answer = (await patch_instance(tenant, instance, {"name": "old-1"})).json()

    assert (answer["instance_id"], answer["instance_name"]) == (instance.id, "old-1") == (answer["id"], answer["name"])
    assert answer["instance_created"] == answer["created_at"]
    assert answer["keypair_name"] == answer["ssh_key_name"]
    assert answer["metadata_detailed"] == answer["tags"]
    assert answer["metadata"] == {**LABELS, **SYSTEM_TAGS}


async def test_concurrent_updates_of_different_keys_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(*(patch_instance(tenant, instance, {"tags": {f"k{n}": f"v{n}"}}) for n in range(64)))

    assert [user_tags(answer)[f"k{n}"] for n, answer in enumerate(answers)] == [f"v{n}" for n in range(64)]
    assert user_tags(await patch_instance(tenant, instance, {"tags": {}})) == {f"k{n}": f"v{n}" for n in range(64)}
    assert len(await get_audit_log(tenant)) == 65


async def test_concurrent_updates_of_name_and_tags_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(
        *(
            patch_instance(tenant, instance, {"name": f"web-{n}", "tags": {f"k{n}": "v", "old": None}})
            for n in range(32)
        )
    )

    assert [answer.status_code for answer in answers] == [200] * 32
    after = await get_instance(tenant, instance)
    assert after["name"] in {f"web-{n}" for n in range(32)}
    assert {tag["key"] for tag in after["tags"] if not tag["read_only"]} == {f"k{n}" for n in range(32)}


async def test_concurrent_removals_and_additions_are_serializable(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={f"k{n}": "old" for n in range(16)})

    removing = [patch_instance(tenant, instance, {"tags": {f"k{n}": None, f"k{15 - n}": "new"}}) for n in range(16)]
    answers = await asyncio.gather(*removing)

    assert [answer.status_code for answer in answers] == [200] * 16
    assert set(user_tags(await patch_instance(tenant, instance, {"tags": {}})).values()) <= {"new"}


async def test_one_of_two_concurrent_updates_of_a_key_wins(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for _ in range(10):
        answers = await asyncio.gather(*(patch_instance(tenant, instance, {"tags": {"one": value}}) for value in "ab"))
        assert {user_tags(answer)["one"] for answer in answers} <= {"a", "b"}
        assert user_tags(await patch_instance(tenant, instance, {"tags": {}}))["one"] in "ab"


async def test_the_official_client_updates(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    changed = await tenant.sdk.cloud.instances.update(
        instance_id=instance.id, name="by-sdk", tags={"env": None, "via": "sdk"}
    )
    unchanged = await tenant.sdk.cloud.instances.update(instance_id=instance.id, tags={})
    with pytest.raises(BadRequestError, match="you need to specify a name or tags"):
        await tenant.sdk.cloud.instances.update(instance_id=instance.id)

    assert (changed.id, changed.name, changed.project_id, changed.region_id) == (
        instance.id,
        "by-sdk",
        tenant.project_id,
        1,
    )
    assert {tag.key: tag.value for tag in changed.tags if not tag.read_only} == {"team": "a", "via": "sdk"}
    assert unchanged == changed


async def test_an_update_changes_only_its_instance(tenant: Tenant) -> None:
    instance, other = await an_instance(tenant, labels=LABELS), await an_instance(tenant, labels=LABELS)
    before = await get_instance(tenant, other)

    await patch_instance(tenant, instance, {"name": "only-me", "tags": None})

    assert await get_instance(tenant, other) == before
    record = await _get_record(tenant, instance)
    assert record == replace(instance, name="only-me", revision=instance.revision + 1, stamp=record.stamp)


async def _get_record(tenant: Tenant, instance: Instance) -> Instance:
    async with tenant.running.app_state.db.read() as tx:
        return await instances.get(tx, place_of(tenant), instance.id)
