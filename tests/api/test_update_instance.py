"""Update instance: every sentence of its promise, at the route, on both databases."""

import asyncio
import dataclasses
import json
from typing import Any

import httpx
import pytest
from litestar import Litestar
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import HttpMetrics
from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.instances import Instance
from pileus.settings import Settings
from pileus.store.account import user_actions
from pileus.store.compute import instances
from tests.builders import SYSTEM_TAGS, an_instance, place_of
from tests.tenants import Tenant

LONG_ID = "00000000-0000-4000-8000-000000000000"
LABELS = {"env": "prod", "team": "a"}
NAME_RULE = "String should match pattern '^[a-zA-Z0-9][a-zA-Z 0-9._\\-]{1,61}[a-zA-Z0-9._]$'"
KEY_RULE = "Tag key must have 1 to 255 characters, without white space and '='"
VALUE_RULE = "Tag value must have 1 to 255 characters, without tabs and line breaks"
NO_MAP = "Input should be a valid dictionary"
NO_TEXT = "Input should be a valid string"


def labels(answer: httpx.Response) -> dict[str, str]:
    """The tags that are the tenant's own."""
    assert answer.status_code == 200, answer.text
    return {tag["key"]: tag["value"] for tag in answer.json()["tags"] if not tag["read_only"]}


async def patched(tenant: Tenant, instance: Instance, body: Any) -> httpx.Response:
    return await tenant.api.patch(tenant.path("instances", instance.id), json=body)


async def shown(tenant: Tenant, instance: Instance) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("instances", instance.id))).json())


async def audit(tenant: Tenant) -> list[UserAction]:
    async with tenant.running.cloud.db.read() as tx:
        return await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)


async def test_the_answer_is_the_whole_instance_at_once(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    before = await shown(tenant, instance)

    answer = await patched(tenant, instance, {"name": "db-1", "tags": {"env": "test"}})

    assert answer.status_code == 200
    assert answer.json() == await shown(tenant, instance)
    changed = {key for key, value in answer.json().items() if value != before[key]}
    assert changed == {"name", "tags"}
    assert answer.json()["name"] == "db-1"
    assert len(before) == 22


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ({}, LABELS),
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
async def test_tags_follow_the_merge_patch(tenant: Tenant, patch: dict[str, Any], left: dict[str, str]) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    answer = await patched(tenant, instance, patch)

    assert labels(answer) == left
    assert answer.json() == await shown(tenant, instance)


@pytest.mark.parametrize(
    "tags", [{"os_distro": None}, {"os_distro": "mine", "os_type": None}, None, {"os_version": None, "env": None}]
)
async def test_read_only_tags_stay_as_they_are(tenant: Tenant, tags: dict[str, Any] | None) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    answer = await patched(tenant, instance, {"tags": tags})

    assert answer.status_code == 200
    kept = {tag["key"]: tag["value"] for tag in answer.json()["tags"] if tag["read_only"]}
    assert kept == SYSTEM_TAGS


async def test_tags_come_out_sorted_by_key(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={"zebra": "1", "Apple": "2", "apple": "3", "os_a": "4", "é": "5"})

    answer = await patched(tenant, instance, {"tags": {"middle": "6"}})

    keys = [tag["key"] for tag in answer.json()["tags"]]
    assert keys == sorted(keys)
    assert len(keys) == 6 + len(SYSTEM_TAGS)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0 web.server_1-b", "a  .", "Web-Server_1"])
async def test_a_name_that_keeps_the_rule_is_taken(tenant: Tenant, name: str) -> None:
    instance = await an_instance(tenant)

    answer = await patched(tenant, instance, {"name": name})

    assert (answer.status_code, answer.json()["name"]) == (200, name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 64, "-abc", "abc-", " abc", "abc ", "abc\n", "a/c", "äbc", "a\tc"])
async def test_a_name_that_breaks_the_rule_is_refused(tenant: Tenant, name: str) -> None:
    instance = await an_instance(tenant)

    answer = await patched(tenant, instance, {"name": name})

    assert answer.status_code == 400
    assert answer.json()["exception_class"] == "ValidationError"
    assert answer.json()["invalid_fields"] == {"name": [NAME_RULE]}
    assert answer.json()["message"] == f"Validation Error: {answer.json()['invalid_fields']}"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": None}, {"name": [NO_TEXT]}),
        ({"name": 7}, {"name": [NO_TEXT]}),
        ({"tags": []}, {"tags": [NO_MAP]}),
        ({"tags": "env=prod"}, {"tags": [NO_MAP]}),
        ({"tags": {"env": 7}}, {"tags": [NO_TEXT]}),
        ({"tags": {"env": {"a": "b"}}}, {"tags": [NO_TEXT]}),
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
        ({"name": False, "tags": {"a": 1}}, {"name": [NO_TEXT], "tags": [NO_TEXT]}),
    ],
)
async def test_all_that_is_wrong_is_told_and_nothing_changes(
    tenant: Tenant, body: dict[str, Any], fields: dict[str, list[str]]
) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    before = await shown(tenant, instance)

    answer = await patched(tenant, instance, body)

    assert answer.status_code == 400
    assert answer.json()["exception_class"] == "ValidationError"
    assert answer.json()["invalid_fields"] == fields
    assert await shown(tenant, instance) == before
    assert await audit(tenant) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b'"name"', b"7", b"name=web", b"\xff\xfe", b'{"name":}']
)
async def test_a_body_that_is_no_json_object_is_refused(tenant: Tenant, content: bytes) -> None:
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
async def test_both_application_types_are_taken(tenant: Tenant, kind: str) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.patch(
        tenant.path("instances", instance.id),
        content=json.dumps({"tags": {"sent": "as"}}),
        headers={"content-type": kind},
    )

    assert labels(answer) == {"sent": "as"}


async def test_whose_it_is_not_cannot_tell_it_from_what_is_not_there(tenant: Tenant, stranger: Tenant) -> None:
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
        for body in ({"name": "mine"}, {}):
            answer = (
                await client.patch(path, json=body) if path != paths[2] else await tenant.api.patch(path, json=body)
            )
            assert answer.status_code == 404
            assert answer.json()["exception_class"] == "NotFoundError"
            assert answer.json()["message"] == f"Instance {instance.id} could not be found"
    never = await tenant.api.patch(tenant.path("instances", LONG_ID), json={})
    assert never.json()["message"] == f"Instance {LONG_ID} could not be found"
    assert (await shown(tenant, instance))["name"] == "web"


async def test_a_locked_instance_is_left_alone_until_its_task_lets_go(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)
    db = tenant.running.cloud.db
    held = await db.write(lambda tx: instances.save(tx, instance, instance.locked("task-1")))

    for body in ({"name": "other"}, {"tags": {"a": "b"}}, {"tags": None}, {}):
        answer = await patched(tenant, instance, body)
        assert answer.status_code == 409
        assert answer.json()["exception_class"] == "ConflictError"
        assert "locked by task task-1" in answer.json()["message"]
    assert await audit(tenant) == []

    await db.write(lambda tx: instances.save(tx, held, held.unlocked()))
    assert labels(await patched(tenant, instance, {})) == LABELS


async def test_every_change_is_written_to_the_audit_log(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await patched(tenant, instance, {"name": "renamed", "tags": {" a ": "b", "c": None}})

    (line,) = await audit(tenant)
    assert (line.api_group, line.action_type) == ("instance", "update")
    assert line.action_data == {"name": "renamed", "tags": {"a": "b", "c": None}}
    assert (line.project_id, line.region_id, line.user_id) == (tenant.project_id, 1, tenant.client_id)
    assert instance.id in str(line.resources)


async def test_without_its_line_in_the_audit_log_a_change_is_not_made(tenant: Tenant) -> None:
    """The ids of the log's lines run out: every write of one fails."""
    cloud, instance = tenant.running.cloud, await an_instance(tenant, labels=LABELS)
    broken = dataclasses.replace(cloud, new_id=lambda: "always-the-same")
    async with client_of(create_app(Settings(), broken, HttpMetrics(CollectorRegistry())), tenant) as api:
        path = tenant.path("instances", instance.id)
        assert (await api.patch(path, json={})).status_code in (200, 409)
        before = await shown(tenant, instance)
        answer = await api.patch(path, json={"name": "other", "tags": {"env": "test"}})

    assert answer.status_code == 409
    assert await shown(tenant, instance) == before
    assert len(await audit(tenant)) <= 1


def client_of(app: Litestar, tenant: Tenant) -> httpx.AsyncClient:
    transport: Any = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]  # an ASGI app
    return httpx.AsyncClient(transport=transport, base_url="http://pileus.test", headers=dict(tenant.api.headers))


async def test_older_names_are_added_where_the_operator_wants_them(tenant: Tenant) -> None:
    instance, cloud = await an_instance(tenant, labels=LABELS), tenant.running.cloud
    older = dataclasses.replace(cloud, legacy_fields=True)
    async with client_of(create_app(Settings(), older, HttpMetrics(CollectorRegistry())), tenant) as api:
        answer = (await api.patch(tenant.path("instances", instance.id), json={"name": "old-1"})).json()

    assert (answer["instance_id"], answer["instance_name"]) == (instance.id, "old-1") == (answer["id"], answer["name"])
    assert answer["instance_created"] == answer["created_at"]
    assert answer["keypair_name"] == answer["ssh_key_name"]
    assert answer["metadata_detailed"] == answer["tags"]
    assert answer["metadata"] == {**LABELS, **SYSTEM_TAGS}


async def test_many_clients_who_change_different_keys_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(*(patched(tenant, instance, {"tags": {f"k{n}": f"v{n}"}}) for n in range(64)))

    assert [labels(answer)[f"k{n}"] for n, answer in enumerate(answers)] == [f"v{n}" for n in range(64)]
    assert labels(await patched(tenant, instance, {})) == {f"k{n}": f"v{n}" for n in range(64)}
    assert len(await audit(tenant)) == 65


async def test_many_clients_who_rename_and_tag_at_once_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(
        *(patched(tenant, instance, {"name": f"web-{n}", "tags": {f"k{n}": "v", "old": None}}) for n in range(32))
    )

    assert [answer.status_code for answer in answers] == [200] * 32
    after = await shown(tenant, instance)
    assert after["name"] in {f"web-{n}" for n in range(32)}
    assert {tag["key"] for tag in after["tags"] if not tag["read_only"]} == {f"k{n}" for n in range(32)}


async def test_many_clients_who_take_keys_away_and_put_them_in_leave_what_some_order_would(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={f"k{n}": "old" for n in range(16)})

    removing = [patched(tenant, instance, {"tags": {f"k{n}": None, f"k{15 - n}": "new"}}) for n in range(16)]
    answers = await asyncio.gather(*removing)

    assert [answer.status_code for answer in answers] == [200] * 16
    assert set(labels(await patched(tenant, instance, {})).values()) <= {"new"}


async def test_of_two_clients_who_race_for_one_key_one_wins(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for _ in range(10):
        answers = await asyncio.gather(*(patched(tenant, instance, {"tags": {"one": value}}) for value in "ab"))
        assert {labels(answer)["one"] for answer in answers} <= {"a", "b"}
        assert labels(await patched(tenant, instance, {}))["one"] in "ab"


async def test_the_official_client_updates(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels=LABELS)

    changed = await tenant.sdk.cloud.instances.update(
        instance_id=instance.id, name="by-sdk", tags={"env": None, "via": "sdk"}
    )
    unchanged = await tenant.sdk.cloud.instances.update(instance_id=instance.id)

    assert (changed.id, changed.name, changed.project_id, changed.region_id) == (
        instance.id,
        "by-sdk",
        tenant.project_id,
        1,
    )
    assert {tag.key: tag.value for tag in changed.tags if not tag.read_only} == {"team": "a", "via": "sdk"}
    assert unchanged == changed


async def test_an_update_keeps_to_its_instance(tenant: Tenant) -> None:
    one, other = await an_instance(tenant, labels=LABELS), await an_instance(tenant, labels=LABELS)
    before = await shown(tenant, other)

    await patched(tenant, one, {"name": "only-me", "tags": None})

    assert await shown(tenant, other) == before
    assert replace(one, name="only-me", revision=2) == await _record(tenant, one)


async def _record(tenant: Tenant, instance: Instance) -> Instance:
    async with tenant.running.cloud.db.read() as tx:
        return await instances.get(tx, place_of(tenant), instance.id)
