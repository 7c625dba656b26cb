"""Nonsense of every kind: each is told in the API's own shape, and none makes the server stumble."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.params import FromQuery

from pileus.api.errors import HANDLERS
from pileus.app import run_cloud
from pileus.settings import Settings
from tests.api.conftest import Owner
from tests.api.foreign_ids import Ids, ids_of, ids_of_nothing
from tests.api.routes import LOCKED, Door
from tests.builders import an_instance
from tests.tenants import Tenant, client_of, new_tenant

WITH_BODY = [door for door in LOCKED if door.wanted() is not None]
WITH_QUERY = [door for door in LOCKED if door.queries]
PAGED = [door for door in LOCKED if "limit" in door.queries]
NUMBERED = [door for door in LOCKED if {"project_id", "region_id"} & door.named]
ODD_QUERIES = ("a%00b", "%ED%A0%80", "-1", "9223372036854775808", "9" * 40, "'", "", "x" * 3000)
ODD_VALUES: tuple[Any, ...] = (2**63, -(2**70), 10**400, "a\0b", "", "x" * 3000, None, [], {}, True, 1e300, [[[]]])
UNREADABLE = (b"{", b"not json", b"\xff", b'{"a": }', b"[" * 5000, b'{"a":' * 5000, b'{"a": "\\ud800"}', b'{"a": NaN}')
REGION = 1


def told(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The refusal, when it has the shape of all of them."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:300]}"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"invalid_fields", "info"} == {"exception_class", "message", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def nowhere(tenant: Tenant) -> Ids:
    """Things that are not there, in a project that is."""
    return ids_of_nothing().but(project_id=tenant.project_id)


@pytest.mark.parametrize("door", WITH_BODY, ids=lambda door: door.name)
async def test_every_route_rejects_an_unreadable_body(tenant: Tenant, door: Door) -> None:
    for content in UNREADABLE:
        answer = await tenant.api.request(door.method, door.filled(nowhere(tenant)), content=content)
        assert list(told(answer, 400)["invalid_fields"]) == ["body"]


@pytest.mark.parametrize("door", WITH_BODY, ids=lambda door: door.name)
async def test_an_odd_value_in_any_field_never_causes_500(tenant: Tenant, door: Door) -> None:
    ids, body = await ids_of(tenant), door.body()
    for name in door.fields():
        for value in ODD_VALUES:
            content = json.dumps({**body, name: value}).encode()
            answer = await tenant.api.request(door.method, door.filled(ids), content=content)
            assert answer.status_code < 500, f"{name} = {value!r}: {answer.text}"


@pytest.mark.parametrize("door", WITH_BODY, ids=lambda door: door.name)
async def test_a_body_over_the_limit_is_rejected_unread(tenant: Tenant, door: Door) -> None:
    answer = await tenant.api.request(door.method, door.filled(nowhere(tenant)), content=b" " * (1 << 20) + b"{}")

    assert told(answer, 413)["message"] == "HTTP 413: Request Entity Too Large"


@pytest.mark.parametrize("door", WITH_QUERY, ids=lambda door: door.name)
async def test_an_odd_query_never_causes_500(owner: Owner, door: Door) -> None:
    path = door.filled(owner.ids)
    for name in door.queries:
        for value in ODD_QUERIES:
            answer = await owner.tenant.api.request(door.method, f"{path}?{name}={value}", json=door.body())
            assert answer.status_code < 500, f"{name}={value}: {answer.text}"


async def test_a_missing_parameter_is_400() -> None:
    @get("/", sync_to_thread=False)
    def ask(key: FromQuery[str]) -> str:
        return key

    app: Any = Litestar([ask], exception_handlers=HANDLERS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pileus.test") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {"key": ["Field required"]})


@pytest.mark.parametrize("door", PAGED, ids=lambda door: door.name)
async def test_an_invalid_page_is_400(tenant: Tenant, door: Door) -> None:
    path = door.filled(nowhere(tenant))
    for name, value in (("limit", "0"), ("limit", "-1"), ("limit", "ten"), ("limit", "9" * 30), ("offset", "-1")):
        body = told(await tenant.api.request(door.method, path, params={name: value}, json=door.body()), 400)
        assert list(body["invalid_fields"]) == [name], body
        assert body["exception_class"] == "ValidationError"


@pytest.mark.parametrize("door", NUMBERED, ids=lambda door: door.name)
@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**30])
async def test_a_number_without_a_resource_is_404(tenant: Tenant, door: Door, number: int) -> None:
    for name in {"project_id", "region_id"} & door.named:
        path = door.filled(nowhere(tenant).but(**{name: number}))
        answer = await tenant.api.request(door.method, path, json=door.body())
        if "/_pileus/" not in door.path or number > 2**62:
            assert answer.status_code in (204, 404), answer.text


@pytest.mark.parametrize("door", [door for door in LOCKED if door.named], ids=lambda door: door.name)
async def test_an_odd_text_in_a_path_never_causes_500(tenant: Tenant, door: Door) -> None:
    ids = nowhere(tenant)
    texts = [name for name in door.named if isinstance(ids.values[name], str)]
    for name in texts:
        for text in ("a%00b", "%FF%FE", "%ED%A0%80", "x" * 5000, "%2e%2e", "'", "%F0%9F%8C%A9"):
            answer = await tenant.api.request(door.method, door.filled(ids.but(**{name: text})), json=door.body())
            assert answer.status_code in (204, 400, 404), f"{text}: {answer.text}"


@pytest.mark.parametrize(
    "path", ["/", "/cloud", "/cloud/v1/nothing", "/cloud/v9/instances/1/1", "/favicon.ico", "/schema/x"]
)
async def test_an_unknown_route_is_404(tenant: Tenant, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body = told(await tenant.api.request(method, path), 404, 405)
        if body["exception_class"] == "NotFoundError":
            assert body["message"] == f"{path} could not be found"


@pytest.mark.parametrize("where", ["one/1/x", "1/one/x", "1.5/1/x", "1/0x1/x", "%31%30%30%00/1/x"])
async def test_a_place_that_is_not_a_number_is_404(tenant: Tenant, where: str) -> None:
    assert told(await tenant.api.get(f"/cloud/v1/instances/{where}"), 404)["exception_class"] == "NotFoundError"


@pytest.mark.parametrize("method", ["PUT", "TRACE", "MADEUP", "POST"])
async def test_a_wrong_method_is_405_with_the_allowed_ones(tenant: Tenant, method: str) -> None:
    answer = await tenant.api.request(method, tenant.path("instances", "x"))

    body = told(answer, 405)
    assert (body["exception_class"], body["message"]) == ("HTTPError", "HTTP 405: Method Not Allowed")
    assert {"GET", "PATCH"} <= set(answer.headers["allow"].split(", "))


async def test_invented_methods_are_counted_as_one(tenant: Tenant) -> None:
    for number in range(5):
        await tenant.api.request(f"MADE{number}", "/healthz")

    figures = (await tenant.api.get("/metrics")).text
    assert 'method="(none)"' in figures
    assert "MADE" not in figures


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""])
async def test_json_is_decoded_whatever_the_content_type(tenant: Tenant, kind: str) -> None:
    instance = await an_instance(tenant)
    path, headers = tenant.path("instances", instance.id), {"content-type": kind}

    good = await tenant.api.patch(path, content=b'{"tags": {"a": "b"}}', headers=headers)
    bad = await tenant.api.patch(path, content=b"a=b", headers=headers)

    assert good.status_code == 200
    assert told(bad, 400)["exception_class"] == "ValidationError"


async def test_a_body_that_does_not_arrive_is_408(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.api.requests.BODY_TIMEOUT", 0.02)
    never = asyncio.Event()

    async def slowly() -> Any:
        yield b'{"name": '
        await never.wait()

    answer = await tenant.api.patch(tenant.path("instances", "x"), content=slowly())

    assert told(answer, 408)["message"] == "HTTP 408: Request Timeout"


async def test_an_unexpected_error_returns_only_the_request_id(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The database goes away under the server; the trace is for the log alone."""
    async with run_cloud(Settings(data=tmp_path, database=url)) as running, new_tenant(running) as tenant:
        assert (await tenant.api.get(tenant.path("instances", "x"))).status_code == 404
        await running.cloud.db.close()

        reading = told(await tenant.api.get(tenant.path("instances", "x")), 500)
        ready = told(await tenant.api.get("/readyz"), 503)
        alive = await tenant.api.get("/healthz")

    assert (reading["exception_class"], set(reading)) == (
        "InternalServerError",
        {"exception_class", "message", "request_id"},
    )
    assert reading["message"] == "Internal server error: tell the operator the request_id"
    assert ready["message"] == "database: does not answer; driver: ok"
    assert alive.status_code == 200
    told_in_log = [record for record in caplog.records if vars(record).get("request_id") == reading["request_id"]]
    (record,) = [record for record in told_in_log if record.levelno == logging.ERROR]
    assert record.exc_info is not None


async def test_routes_are_not_revealed_without_a_key(tenant: Tenant) -> None:
    async with client_of(tenant.running, None) as anybody:
        answers = [await anybody.get(tenant.path("instances", name)) for name in ("x", "%00")]

    assert [answer.status_code for answer in answers] == [401, 401]
