"""Update instance: bodies that contain nothing to update, with the recorded answers of the live API."""

import httpx
import pytest

from pileus.store.compute import instances
from tests.builders import BARE_METAL, an_instance, list_user_actions
from tests.tenants import Tenant

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
NO_NAME_OR_TAGS = "To update an instance you need to specify a name or tags"
NO_BODY = "Validation Error: Invalid JSON: EOF while parsing a value at line 1 column 0"


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, class and message of an error that has no other fields but the request id."""
    body = answer.json()
    assert set(body) == {"exception_class", "message", "request_id"}
    return answer.status_code, body["exception_class"], body["message"]


@pytest.mark.parametrize("noun", ["instances", "bminstances"])
@pytest.mark.parametrize("content", [b"{}", b'{"volumes": []}', b'{"flavor": null, "Name": "web", "metadata": {}}'])
async def test_a_body_with_neither_name_nor_tags_is_refused(tenant: Tenant, noun: str, content: bytes) -> None:
    """The body is checked before the instance is looked up and before its lock."""
    instance = await an_instance(tenant, flavor_id=BARE_METAL)
    db = tenant.running.app_state.db
    locked = await db.write(lambda tx: instances.save(tx, instance, instance.locked("task-1")))

    while_locked = await tenant.api.patch(tenant.path(noun, instance.id), content=content)
    await db.write(lambda tx: instances.save(tx, locked, locked.unlocked()))
    unlocked = await tenant.api.patch(tenant.path(noun, instance.id), content=content)
    missing = await tenant.api.patch(tenant.path(noun, UNKNOWN_ID), content=content)

    errors = [error_of(answer) for answer in (while_locked, unlocked, missing)]
    assert errors == [(400, "ValidationError", NO_NAME_OR_TAGS)] * 3
    assert await list_user_actions(tenant) == []


@pytest.mark.parametrize("noun", ["instances", "bminstances"])
async def test_an_empty_body_is_refused(tenant: Tenant, noun: str) -> None:
    refused = await tenant.api.patch(tenant.path(noun, UNKNOWN_ID), content=b"")

    assert error_of(refused) == (400, "ValidationError", NO_BODY)
