"""Subscriptions to the audit log."""

import asyncio
import json
from typing import Any

import pytest

from pileus.domain.account.access import Role
from tests.brokers import open_channel, receive_message
from tests.subscribers import received_requests, set_answers, subscriber_url
from tests.tenants import Tenant

ROOT = "/cloud/v1/user_actions"
SECRET = "Bearer hunter2"
PATIENCE = 20


def webhook_body(url: str) -> dict[str, str]:
    return {"url": url, "auth_header_name": "Authorization", "auth_header_value": SECRET}


async def subscribe(tenant: Tenant, path: str) -> str:
    """Subscribe a URL of the tenant's own; return its path."""
    own = f"/{tenant.running.app_state.new_id()}{path}"
    answer = await tenant.api.post(f"{ROOT}/subscribe", json=webhook_body(subscriber_url(own)))
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    return own


async def rename(tenant: Tenant, name: str) -> None:
    path = f"/cloud/v1/projects/{tenant.project_id}"
    assert (await tenant.api.patch(path, json={"name": name})).status_code == 200


async def list_entries(tenant: Tenant) -> list[dict[str, Any]]:
    return list((await tenant.api.get(f"{ROOT}?order_by=asc")).json()["results"])


async def test_every_new_entry_is_posted_and_then_acknowledged(tenant: Tenant, stranger: Tenant) -> None:
    await rename(tenant, "before")
    own = await subscribe(tenant, "/lines")
    set_answers(own, 503)
    for name in ("first", "second"):
        await rename(tenant, name)
    await rename(stranger, "strange")

    async with asyncio.timeout(PATIENCE):
        while not all(line["acknowledged"] for line in (await list_entries(tenant))[1:]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    entries = await list_entries(tenant)
    assert [line["acknowledged"] for line in entries] == [False, True, True]
    assert [json.loads(message.body) for message in received_requests(own)] == [
        {**line, "acknowledged": False} for line in entries[1:]
    ]
    assert [message.headers["webhook-id"] for message in received_requests(own)] == [line["id"] for line in entries[1:]]
    assert {message.headers["authorization"] for message in received_requests(own)} == {SECRET}


async def test_secrets_are_masked(tenant: Tenant) -> None:
    await subscribe(tenant, "/shown")
    queue = {"connection_string": "amqps://me:hunter2@mq.example.org:5671/cloud", "routing_key": "audit"}
    await tenant.api.post(f"{ROOT}/subscribe_amqp", json=queue)

    hooks = (await tenant.api.get(f"{ROOT}/subscriptions_list")).json()
    queues = (await tenant.api.get(f"{ROOT}/amqp_subscriptions_list")).json()

    assert hooks["count"] == queues["count"] == 1
    assert (hooks["results"][0]["auth_header_value"], hooks["results"][0]["auth_header_name"]) == (
        "********",
        "Authorization",
    )
    (queue,) = queues["results"]
    assert queue["connection_string"] == "amqps://me:********@mq.example.org:5671/cloud"
    assert (queue["exchange"], queue["routing_key"], queue["receive_child_client_events"]) == (None, "audit", False)
    assert (await tenant.api.get(f"{ROOT}/amqp_subscriptions/{queue['id']}")).json() == queue


async def test_a_url_has_one_subscription_and_the_number_is_limited(tenant: Tenant) -> None:
    own = await subscribe(tenant, "/one")
    again = await tenant.api.post(f"{ROOT}/subscribe", json=webhook_body(subscriber_url(own)))
    assert again.status_code == 204
    more = await asyncio.gather(
        *(tenant.api.post(f"{ROOT}/subscribe", json=webhook_body(subscriber_url(f"/{number}"))) for number in range(12))
    )

    assert sorted(answer.status_code for answer in more) == [204] * 9 + [400] * 3
    assert (await tenant.api.get(f"{ROOT}/subscriptions_list?limit=3&offset=8")).json()["count"] == 10
    assert (await tenant.api.post(f"{ROOT}/unsubscribe")).status_code == 204
    assert (await tenant.api.get(f"{ROOT}/subscriptions_list")).json() == {"count": 0, "results": []}


async def test_nothing_is_posted_after_unsubscribing(tenant: Tenant) -> None:
    own = await subscribe(tenant, "/ended")
    await tenant.api.post(f"{ROOT}/unsubscribe")
    await rename(tenant, "later")

    await asyncio.sleep(1)

    assert received_requests(own) == []


async def test_entries_are_published_to_a_broker(tenant: Tenant, rabbit: str) -> None:
    queue = f"lines-{tenant.client_id}"
    async with open_channel(rabbit, queue) as channel:
        body = {"connection_string": rabbit, "routing_key": queue}
        tried = await tenant.api.post(f"{ROOT}/subscribe_amqp_test", json=body)
        test = await receive_message(channel, queue)
        subscribed = await tenant.api.post(f"{ROOT}/subscribe_amqp", json=body)
        await rename(tenant, "told")
        message = await receive_message(channel, queue)

    assert (tried.status_code, subscribed.status_code) == (204, 204)
    assert json.loads(test.body)["test"] is True
    assert json.loads(message.body)["action_data"] == {"name": "told"}


async def test_the_broker_can_be_changed(tenant: Tenant, stranger: Tenant, rabbit: str) -> None:
    await tenant.api.post(f"{ROOT}/subscribe_amqp", json={"connection_string": "amqp://127.0.0.1:1/"})
    (before,) = (await tenant.api.get(f"{ROOT}/amqp_subscriptions_list")).json()["results"]
    path, queue = f"{ROOT}/amqp_subscriptions/{before['id']}", f"other-{tenant.client_id}"
    await rename(tenant, "told")
    changes = {"connection_string": rabbit, "routing_key": queue, "receive_child_client_events": True}
    async with open_channel(rabbit, queue) as channel:
        strange = await stranger.api.patch(path, json=changes)
        wrong = await tenant.api.patch(path, json={"connection_string": "amqp://me:********@mq/"})
        after = (await tenant.api.patch(path, json=changes)).json()
        same = (await tenant.api.patch(path, json={})).json()
        message = await receive_message(channel, queue)

    assert (strange.status_code, wrong.status_code) == (404, 400)
    assert (after["routing_key"], after["receive_child_client_events"]) == (queue, True)
    assert after == same
    assert json.loads(message.body)["action_data"] == {"name": "told"}


@pytest.mark.parametrize(
    ("path", "changes", "field"),
    [
        ("subscribe", {"url": "ftp://example.org"}, "url"),
        ("subscribe", {"url": "http://"}, "url"),
        ("subscribe", {"url": "http://me:hunter2@example.org/"}, "url"),
        ("subscribe", {"url": "http://１.１.１.１/"}, "url"),
        ("subscribe_amqp_test", {"connection_string": "amqp://u\\x:p@127.0.0.1/"}, "connection_string"),
        ("subscribe", {"url": "http://[/"}, "url"),
        ("subscribe", {"url": "http://169.254.169.254/"}, "url"),
        ("subscribe_amqp", {"connection_string": "amqp://169.254.169.254/"}, "connection_string"),
        ("subscribe", {"url": "http://example.org/a b"}, "url"),
        ("subscribe", {"auth_header_name": "Not a name"}, "auth_header_name"),
        ("subscribe", {"auth_header_name": "Content-Length"}, "auth_header_name"),
        ("subscribe", {"auth_header_name": "Webhook-Signature"}, "auth_header_name"),
        ("subscribe", {"auth_header_value": "a\r\nX: y"}, "auth_header_value"),
        ("subscribe", {"auth_header_value": "ü"}, "auth_header_value"),
        ("subscribe_amqp", {"connection_string": "http://example.org"}, "connection_string"),
        ("subscribe_amqp", {"connection_string": "amqp://mq/?cafile=/etc/passwd"}, "connection_string"),
        ("subscribe_amqp_test", {"connection_string": "amqp://127.0.0.1:1/"}, "connection_string"),
        ("subscribe_amqp_test", {"connection_string": "amqp://mq:99999/"}, "connection_string"),
    ],
)
async def test_an_unreachable_target_is_400(tenant: Tenant, path: str, changes: dict[str, str], field: str) -> None:
    body = {**(webhook_body("http://example.org/") if path == "subscribe" else {}), **changes}

    answer = await tenant.api.post(f"{ROOT}/{path}", json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_deliveries_that_wait_and_fail_are_shown(tenant: Tenant, stranger: Tenant) -> None:
    own = await subscribe(tenant, "/fails")
    set_answers(own, *[503] * 20)
    for name in ("first", "second"):
        await rename(tenant, name)
    async with asyncio.timeout(PATIENCE):
        while not (listed := (await tenant.api.get("/_pileus/subscriptions")).json())[0]["failures"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    (subscription,) = listed
    assert (subscription["kind"], subscription["address"]) == ("webhook", subscriber_url(own))
    assert subscription["waiting"] == 2
    assert subscription["oldest_at"] < subscription["next_attempt_at"]
    assert SECRET not in str(listed)
    assert (await stranger.api.get("/_pileus/subscriptions")).json() == []


async def test_only_administrators_subscribe(tenant: Tenant) -> None:
    for role in (Role.ENGINEERS, Role.USERS):
        for path in ("subscribe", "unsubscribe", "unsubscribe_amqp"):
            answer = await tenant.clients[role].post(f"{ROOT}/{path}", json=webhook_body(subscriber_url("/")))
            assert answer.status_code == 403
