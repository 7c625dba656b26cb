"""Kept answers are given before the application runs, and are its own; all other requests are left to it."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.api.operations import KEPT
from pileus.api.rate_limits import BURST_SECONDS, RateLimiter
from pileus.server.process import find_immediate_answers, find_kept_answers
from pileus.settings import Settings
from pileus.store import http_faults
from pileus.store.compute import instances
from tests.api.test_dispatcher import (
    RawAnswer,
    RawRequest,
    headers_of,
    pass_on,
    send_raw,
    stable_content,
    stable_headers,
)
from tests.api.test_request_log import last_exchange
from tests.builders import BARE_METAL, an_instance
from tests.tenants import Tenant

NOUNS = {"get_instance": "instances", "get_server": "bminstances"}
"""The operations whose answers are kept, with the nouns of their paths."""


async def ask_first(tenant: Tenant, request: RawRequest) -> RawAnswer | None:
    """Ask for a kept answer as the HTTP server does before it starts the application."""
    scope = request.scope()
    if answer_immediately := find_immediate_answers(Settings(), tenant.running):
        answer = answer_immediately(scope)
    else:
        find_answer = find_kept_answers(Settings(), tenant.running)
        assert find_answer
        answer = await find_answer(scope)
    if answer is None:
        return None
    lines = answer.fields.removesuffix(b"\r\n").split(b"\r\n")
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    assert [name for name, _ in headers].count(b"request_id") == 1
    return RawAnswer(
        answer.status, tuple(sorted(stable_headers(headers))), stable_content(answer.body), scope["path_template"]
    )


async def a_kept_request(tenant: Tenant, noun: str = "instances", **changes: Any) -> RawRequest:
    """Return a request whose answer is kept."""
    instance = await an_instance(tenant, flavor_id=BARE_METAL if noun == "bminstances" else "g1-standard-1-2")
    request = RawRequest("GET", tenant.path(noun, instance.id), headers=headers_of(tenant), **changes)
    assert (await send_raw(tenant.running.app, request)).status == 200
    return request


def test_the_operations_that_keep_answers_are_tested(tenant: Tenant) -> None:
    operations = tenant.running.app_state.operations.operations

    assert {operation.operation_id for operation in operations if KEPT in operation.handler.opt} == set(NOUNS)


@pytest.mark.parametrize("noun", NOUNS.values())
async def test_a_kept_answer_is_that_of_the_framework(tenant: Tenant, noun: str) -> None:
    state = tenant.running.app_state
    by_framework = create_app(Settings(), state, ServerMetrics(CollectorRegistry()), dispatch=pass_on)
    request = await a_kept_request(tenant, noun)

    answer = await ask_first(tenant, request)

    assert answer is not None
    assert answer == await send_raw(by_framework, request)


async def test_a_changed_instance_is_read_in_a_task(tenant: Tenant) -> None:
    request = await a_kept_request(tenant)
    changed = await tenant.api.patch(request.path, json={"name": "renamed"})
    of_patch = await ask_first(tenant, request)
    await tenant.running.app_state.db.write(
        lambda tx: tx.run("UPDATE instances SET stamp = stamp - 1 WHERE id = :id", id=changed.json()["id"])
    )

    assert of_patch is not None
    assert of_patch.body == changed.json()
    assert await ask_first(tenant, request) is None


ODD: dict[str, Callable[[RawRequest, Tenant], RawRequest]] = {
    "another tenant's": lambda request, _: RawRequest(
        "GET", request.path.replace("/1/", "/2/", 1), b"", request.headers
    ),
    "without a key": lambda request, _: RawRequest("GET", request.path, headers=request.headers[:1]),
    "a wrong key": lambda request, _: RawRequest(
        "GET", request.path, headers=[request.headers[0], (b"authorization", b"APIKey 1_x")]
    ),
    "another form of the id": lambda request, _: RawRequest("GET", request.path.upper(), headers=request.headers),
    "a slash": lambda request, _: RawRequest("GET", request.path + "/", headers=request.headers),
    "no host": lambda request, _: RawRequest("GET", request.path, headers=request.headers[1:]),
    "a list": lambda request, tenant: RawRequest("GET", tenant.path("instances"), headers=request.headers),
    "unknown": lambda request, _: RawRequest("GET", request.path[:-1] + "g", headers=request.headers),
    "a root path": lambda request, _: RawRequest("GET", request.path, headers=request.headers, root_path="/x"),
}


@pytest.mark.parametrize("name", ODD)
async def test_other_requests_are_left_to_a_task(tenant: Tenant, name: str) -> None:
    request = await a_kept_request(tenant)

    assert await ask_first(tenant, ODD[name](request, tenant)) is None
    assert await ask_first(tenant, request) is not None


async def test_a_request_meets_the_faults_of_http(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    controls, request = tenant.running.app_state.controls, await a_kept_request(tenant)
    monkeypatch.setattr(controls, "is_shared", False)
    fault = {"kind": "respond", "status": 503, "operation": "get_instance"}
    assert (await tenant.operator.post("/_pileus/http_faults", json=fault)).status_code == 200

    during = await ask_first(tenant, request)
    await controls.change(http_faults.remove_all)

    assert during is None
    assert await ask_first(tenant, request) is not None


async def test_a_request_takes_one_token_of_its_key(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    request = await a_kept_request(tenant)
    monkeypatch.setattr(tenant.running.app_state, "rate_limiter", RateLimiter(1, lambda: 0.0))

    answers = [await ask_first(tenant, request) for _ in range(BURST_SECONDS + 1)]

    assert [answer is not None for answer in answers] == [True] * BURST_SECONDS + [False]
    assert (await send_raw(tenant.running.app, request)).status == 429


async def test_a_request_that_will_be_refused_reads_nothing(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    request, reads = await a_kept_request(tenant), []

    async def get_stamp(*arguments: Any) -> int:
        reads.append(arguments)
        return 0

    monkeypatch.setattr(instances, "get_stamp", get_stamp)
    monkeypatch.setattr(tenant.running.app_state, "rate_limiter", RateLimiter(0.1, lambda: 0.0))

    assert await ask_first(tenant, request) is None
    assert reads == []


async def test_a_request_is_counted_and_logged(tenant: Tenant) -> None:
    def count() -> float:
        metrics: ServerMetrics = tenant.running.app.state.metrics
        labels = {"method": "GET", "operation": "get_instance", "status": "200"}
        labels["route"] = "/cloud/v1/instances/{project_id}/{region_id}/{instance_id}"
        return metrics.registry.get_sample_value("pileus_requests_total", labels) or 0

    request = await a_kept_request(tenant)
    before = count()

    await ask_first(tenant, request)

    exchange = await last_exchange(tenant)
    assert count() == before + 1
    assert (exchange["path"], exchange["status"], exchange["operation"]) == (request.path, 200, "get_instance")
    assert exchange["response_body"]["content"]["id"] in request.path
