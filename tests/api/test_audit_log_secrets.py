"""The audit log keeps no secret of any operation, and subscribers get none."""

import json
from typing import Any

import pytest
from msgspec import Struct, inspect

from pileus.domain.secret_names import CLIENTS_OWN, REDACTED, is_secret_name, without_secrets
from tests.api.routes import Endpoint
from tests.api.test_listeners import USER, create_listener
from tests.api.test_load_balancers import HTTP, create
from tests.api.test_request_log_secrets import SECRET, WITH_BODY, fields_of, with_secrets
from tests.builders import list_user_actions
from tests.tenants import Tenant


def without_tags(body: Any) -> Any:
    """Return a body without what clients name themselves."""

    def drop(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name not in CLIENTS_OWN}

    return json.loads(json.dumps(body), object_hook=drop)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
def test_no_secret_of_a_body_is_kept(endpoint: Endpoint) -> None:
    names = [name for name in fields_of(inspect.type_info(endpoint.body_type())) if is_secret_name(name)]
    body = with_secrets(without_tags(endpoint.body()), [*names, "client_secret"])

    assert SECRET not in json.dumps(without_secrets({"body": body}))


async def test_users_of_a_listener_are_recorded_without_their_passwords(tenant: Tenant) -> None:
    first = {**HTTP, "protocol_port": 81, "user_list": [USER]}
    balancer = await create(tenant, listeners=[first])
    listener = await create_listener(tenant, balancer.id, user_list=[USER])
    path = tenant.path("lblisteners", listener.id, version=2)
    await tenant.wait_until_finished(await tenant.api.patch(path, json={"user_list": [USER]}))

    recorded = [action.action_data for action in await list_user_actions(tenant)]

    assert USER["encrypted_password"] not in json.dumps(recorded)
    hidden = {**USER, "encrypted_password": REDACTED}
    assert json.dumps(recorded).count(json.dumps(hidden)) == 3


class Credentials(Struct):
    """What a change may record as it is."""

    username: str
    password: str | None


def test_secrets_are_hidden_at_any_depth_and_nothing_else_is_changed() -> None:
    data: dict[Any, Any] = {
        "name": "n",
        "password": None,
        "token": True,
        "tags": {"token": "blue"},
        "access": [{"mode": "ro"}],
    }

    assert without_secrets(data) is data
    assert without_secrets(data | {"items": ({"deep": [Credentials("ann", "p")]}, 1)}) == data | {
        "items": [{"deep": [{"username": "ann", "password": REDACTED}]}, 1]
    }
    by_region: dict[Any, Any] = {1: {"url": ["https://a.example/?sig=x"]}}
    assert list(without_secrets(by_region).values()) == [{"url": REDACTED}]
