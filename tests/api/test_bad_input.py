"""Invalid input of every kind: errors have the API's shape, and none is a 500."""

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
from pileus.store.database import Database, Tx
from tests.api.conftest import Owner
from tests.api.foreign_ids import Ids, create_everything, missing_ids
from tests.api.routes import AUTHENTICATED, ENDLESS, Endpoint
from tests.app_settings import checked_settings
from tests.builders import an_instance
from tests.tenants import Tenant, client_of, new_tenant

WITH_BODY = [endpoint for endpoint in AUTHENTICATED if endpoint.body_type() is not None]
PATCHES = [endpoint for endpoint in WITH_BODY if endpoint.method == "PATCH"]
WITH_QUERY = [endpoint for endpoint in AUTHENTICATED if endpoint.queries]
PAGED = [endpoint for endpoint in AUTHENTICATED if "limit" in endpoint.queries]
NUMBERED = [endpoint for endpoint in AUTHENTICATED if {"project_id", "region_id"} & endpoint.named]
ODD_QUERIES = ("a%00b", "%ED%A0%80", "-1", "9223372036854775808", "9" * 40, "'", "", "x" * 3000)
ODD_VALUES: tuple[Any, ...] = (2**63, -(2**70), 10**400, "a\0b", "", "x" * 3000, None, [], {}, True, 1e300, [[[]]])
UNREADABLE = (b"{", b"not json", b"\xff", b'{"a": }', b"[" * 5000, b'{"a":' * 5000, b'{"a": "\\ud800"}', b'{"a": NaN}')
REGION = 1


def error_body(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Return the error body after checking its shape."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:300]}"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"invalid_fields", "info"} == {"exception_class", "message", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def foreign_missing_ids(tenant: Tenant) -> Ids:
    """Return ids of missing resources in an existing project."""
    return missing_ids().but(project_id=tenant.project_id)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
async def test_every_route_rejects_an_unreadable_body(tenant: Tenant, endpoint: Endpoint) -> None:
    for content in UNREADABLE:
        answer = await tenant.operator.request(
            endpoint.method, endpoint.filled(foreign_missing_ids(tenant)), content=content
        )
        assert list(error_body(answer, 400)["invalid_fields"]) == ["body"]


@pytest.mark.parametrize("endpoint", PATCHES, ids=lambda endpoint: endpoint.name)
async def test_every_patch_rejects_an_empty_body(tenant: Tenant, endpoint: Endpoint) -> None:
    answer = await tenant.operator.patch(endpoint.filled(foreign_missing_ids(tenant)), content=b"")

    body = error_body(answer, 400)
    assert body["exception_class"] == "ValidationError"
    assert body["message"] == "Validation Error: Invalid JSON: EOF while parsing a value at line 1 column 0"
    assert "invalid_fields" not in body


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
async def test_an_odd_value_in_any_field_never_causes_500(tenant: Tenant, endpoint: Endpoint) -> None:
    ids, body = await create_everything(tenant), endpoint.body()
    for name in endpoint.fields():
        for value in ODD_VALUES:
            content = json.dumps({**body, name: value}).encode()
            answer = await tenant.operator.request(endpoint.method, endpoint.filled(ids), content=content)
            assert answer.status_code < 500, f"{name} = {value!r}: {answer.text}"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
async def test_a_body_over_the_limit_is_rejected_unread(tenant: Tenant, endpoint: Endpoint) -> None:
    answer = await tenant.operator.request(
        endpoint.method, endpoint.filled(foreign_missing_ids(tenant)), content=b" " * (1 << 20) + b"{}"
    )

    assert error_body(answer, 413)["message"] == "HTTP 413: Request Entity Too Large"


@pytest.mark.parametrize("endpoint", WITH_QUERY, ids=lambda endpoint: endpoint.name)
async def test_an_odd_query_never_causes_500(owner: Owner, endpoint: Endpoint) -> None:
    if endpoint.name in ENDLESS:
        return
    path = endpoint.filled(owner.ids)
    for name in endpoint.queries:
        for value in ODD_QUERIES:
            answer = await owner.tenant.operator.request(
                endpoint.method, f"{path}?{name}={value}", json=endpoint.body()
            )
            assert answer.status_code < 500, f"{name}={value}: {answer.text}"


async def test_a_missing_parameter_is_400() -> None:
    @get("/", sync_to_thread=False)
    def ask(key: FromQuery[str]) -> str:
        return key

    app: Any = Litestar([ask], exception_handlers=HANDLERS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pileus.test") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {"key": ["Field required"]})


@pytest.mark.parametrize("endpoint", PAGED, ids=lambda endpoint: endpoint.name)
async def test_an_invalid_page_is_400(tenant: Tenant, endpoint: Endpoint) -> None:
    path = endpoint.filled(foreign_missing_ids(tenant))
    for name, value in (("limit", "0"), ("limit", "-1"), ("limit", "ten"), ("limit", "9" * 30), ("offset", "-1")):
        if name not in endpoint.queries:
            continue
        body = error_body(
            await tenant.operator.request(endpoint.method, path, params={name: value}, json=endpoint.body()), 400
        )
        assert list(body["invalid_fields"]) == [name], body
        assert body["exception_class"] == "ValidationError"


@pytest.mark.parametrize("endpoint", NUMBERED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**30])
async def test_a_number_without_a_resource_is_404(tenant: Tenant, endpoint: Endpoint, number: int) -> None:
    for name in {"project_id", "region_id"} & endpoint.named:
        path = endpoint.filled(foreign_missing_ids(tenant).but(**{name: number}))
        answer = await tenant.operator.request(endpoint.method, path, json=endpoint.body())
        if "/_pileus/" not in endpoint.path or number > 2**62:
            assert answer.status_code in (204, 404), answer.text


@pytest.mark.parametrize(
    "endpoint", [endpoint for endpoint in AUTHENTICATED if endpoint.named], ids=lambda endpoint: endpoint.name
)
async def test_an_odd_text_in_a_path_never_causes_500(tenant: Tenant, endpoint: Endpoint) -> None:
    ids = foreign_missing_ids(tenant)
    texts = [name for name in endpoint.named if isinstance(ids.values[name], str)]
    for name in texts:
        for text in ("a%00b", "%FF%FE", "%ED%A0%80", "x" * 5000, "%2e%2e", "'", "%F0%9F%8C%A9"):
            answer = await tenant.operator.request(
                endpoint.method, endpoint.filled(ids.but(**{name: text})), json=endpoint.body()
            )
            assert answer.status_code in (204, 400, 404), f"{text}: {answer.text}"


@pytest.mark.parametrize(
    "path", ["/", "/cloud", "/cloud/v1/nothing", "/cloud/v9/instances/1/1", "/favicon.ico", "/schema/x"]
)
async def test_an_unknown_route_is_404(tenant: Tenant, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body = error_body(await tenant.api.request(method, path), 404, 405)
        if body["exception_class"] == "NotFoundError":
            assert body["message"] == f"{path} could not be found"


@pytest.mark.parametrize("where", ["one/1/x", "1/one/x", "1.5/1/x", "1/0x1/x", "%31%30%30%00/1/x"])
async def test_a_place_that_is_not_a_number_is_404(tenant: Tenant, where: str) -> None:
    assert error_body(await tenant.api.get(f"/cloud/v1/instances/{where}"), 404)["exception_class"] == "NotFoundError"


@pytest.mark.parametrize("method", ["PUT", "TRACE", "MADEUP", "POST"])
async def test_a_wrong_method_is_405_with_the_allowed_ones(tenant: Tenant, method: str) -> None:
    answer = await tenant.api.request(method, tenant.path("instances", "x"))

    body = error_body(answer, 405)
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
    assert error_body(bad, 400)["exception_class"] == "ValidationError"


async def test_a_body_that_does_not_arrive_is_408(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.api.requests.BODY_TIMEOUT", 0.02)
    never = asyncio.Event()

    async def slowly() -> Any:
        yield b'{"name": '
        await never.wait()

    answer = await tenant.api.patch(tenant.path("instances", "x"), content=slowly())

    assert error_body(answer, 408)["message"] == "HTTP 408: Request Timeout"


async def rename_tables(db: Database, names: dict[str, str]) -> None:
    async def write(tx: Tx) -> None:
        for old_name, new_name in names.items():
            await tx.run(f"ALTER TABLE {old_name} RENAME TO {new_name}")

    await db.write(write)


async def test_an_unexpected_error_returns_only_the_request_id(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tables are missing; the trace is only logged."""
    async with run_cloud(checked_settings(data=tmp_path, database=url)) as running, new_tenant(running) as tenant:
        assert (await tenant.api.get(tenant.path("instances", "x"))).status_code == 404
        await rename_tables(running.app_state.db, {"instances": "lost_instances", "clients": "lost_clients"})
        try:
            reading = error_body(await tenant.api.get(tenant.path("instances", "x")), 500)
            readiness = await tenant.api.get("/readyz")
            alive = await tenant.api.get("/healthz")
        finally:
            await rename_tables(running.app_state.db, {"lost_instances": "instances", "lost_clients": "clients"})

    assert (reading["exception_class"], set(reading)) == (
        "InternalServerError",
        {"exception_class", "message", "request_id"},
    )
    assert reading["message"] == "Internal server error: tell the operator the request_id"
    assert error_body(readiness, 503)["message"] == "database: does not answer; driver: ok"
    assert readiness.headers["retry-after"] == "1"
    assert alive.status_code == 200
    told_in_log = [record for record in caplog.records if vars(record).get("request_id") == reading["request_id"]]
    (record,) = [record for record in told_in_log if record.levelno == logging.ERROR]
    assert record.exc_info is not None


async def test_routes_are_not_revealed_without_a_key(tenant: Tenant) -> None:
    async with client_of(tenant.running, None) as anonymous:
        answers = [await anonymous.get(tenant.path("instances", name)) for name in ("x", "%00")]

    assert [answer.status_code for answer in answers] == [401, 401]
