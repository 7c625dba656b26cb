"""Plain requests are answered without messages; `test_dispatcher.py` compares the answers with the framework's."""

from typing import Any, cast

import pytest
from litestar.response.base import ASGIResponse

from pileus.api.direct_answers import DirectAnswers, format_response
from pileus.store import http_faults
from tests.api.test_dispatcher import RawRequest, headers_of
from tests.api.test_request_log import last_exchange
from tests.builders import an_instance
from tests.tenants import Tenant, parse_fields


def direct_answers_of(tenant: Tenant) -> DirectAnswers:
    return cast("DirectAnswers", tenant.running.app.state.direct_answers)


async def test_a_change_is_answered_and_logged_with_its_body(tenant: Tenant) -> None:
    path, direct = tenant.path("instances", (await an_instance(tenant)).id), direct_answers_of(tenant)
    scope = RawRequest("PATCH", path, headers=headers_of(tenant)).scope()
    route = direct.find_route(scope)
    assert route is not None

    answer = await direct.answer(route, scope, b'{"name": "other"}')

    exchange = await last_exchange(tenant)
    assert (answer.status, dict(parse_fields(answer.fields))[b"content-length"]) == (200, b"%d" % len(answer.body))
    assert (exchange["path"], exchange["status"], exchange["operation"]) == (path, 200, "update_instance")
    assert exchange["request_body"]["content"] == {"name": "other"}
    assert exchange["response_body"]["content"]["name"] == "other"


async def test_requests_meet_the_faults_of_http(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    controls, direct = tenant.running.app_state.controls, direct_answers_of(tenant)
    monkeypatch.setattr(controls, "is_shared", False)
    scope = RawRequest("PATCH", tenant.path("instances", "i"), headers=headers_of(tenant)).scope()
    fault = {"kind": "respond", "status": 503, "operation": "update_instance"}
    assert (await tenant.operator.post("/_pileus/http_faults", json=fault)).status_code == 200

    during = direct.find_route(scope)
    await controls.change(http_faults.remove_all)

    assert during is None
    assert direct.find_route(scope) is not None


@pytest.mark.parametrize(("name", "value"), [("x", "a\r\nb: c"), ("x\n", "a"), ("x", "a\0")])
async def test_a_header_with_control_characters_is_not_sent(name: str, value: str) -> None:
    scope: Any = {"type": "http", "method": "GET", "request_id": "r"}

    with pytest.raises(ValueError, match="control characters"):
        await format_response(ASGIResponse(body=b"", headers={name: value}), scope)
