"""The dispatcher answers every request as the framework does."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from litestar import Litestar
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.context import AppState
from pileus.api.dispatcher import DirectRoutes
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud
from pileus.domain.account.access import Role
from pileus.settings import Settings
from tests.api.conftest import Owner
from tests.api.foreign_ids import missing_ids
from tests.api.routes import ENDLESS, ENDPOINTS, Endpoint
from tests.api.test_head import VOLATILE
from tests.builders import an_instance
from tests.tenants import Tenant

UUID = "AAAAAAAA-0000-4000-8000-00000000000A"
NUMBERS = ("x", "-1", "+1", "1_0", "01", "٣", "²", "1" * 18, "1" * 19, "9" * 5000, "1.0", " 1", "%31")
TEXTS = (UUID, "a\0b", "a b", "..", ".", "%2F", "é", "x" * 3000, "\ufffd")
BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff",
    b'{"name": "a\\u0000b"}',
    b'{"name": 1, "tags": 2}',
    b" " * 2_000_000,
)
QUERIES = (b"unknown=1", b"limit=0", b"limit=x&offset=-1", b"&&", b"%ED%A0%80=%00", b"&".join([b"a=1"] * 2000))
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "ODD")
CHANGING = {b"request_id", b"x-request-id", b"date"}


@dataclass(slots=True)
class RawRequest:
    """A request as the HTTP server passes it on; `parts` are the parts of its body, and None a disconnect."""

    method: str
    path: str
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: tuple[bytes | None, ...] = (b"",)
    root_path: str = ""

    def scope(self) -> dict[str, Any]:
        """Return the scope of the request."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": b"",
            "query_string": self.query,
            "root_path": self.root_path,
            "headers": self.headers,
            "client": ("192.0.2.1", 1234),
            "server": ("127.0.0.1", 80),
        }


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a client and the metrics can see of an answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: Any
    template: str | None


async def send_raw(app: Litestar, request: RawRequest) -> RawAnswer:
    """Send a request to an application, and return the answer without the request's id."""
    scope, messages = request.scope(), []
    parts = [
        {"type": "http.disconnect"}
        if part is None
        else {"type": "http.request", "body": part, "more_body": number < len(request.parts)}
        for number, part in enumerate(request.parts, start=1)
    ]

    async def receive() -> Any:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)

    handler: Any = app
    await handler(scope, receive, send)
    start, *rest = messages
    names = [name.lower() for name, _ in start["headers"]]
    assert {b"request_id", b"x-request-id"} <= set(names)
    return RawAnswer(
        start["status"],
        tuple(sorted(stable_headers(start["headers"]))),
        stable_content(b"".join(message.get("body", b"") for message in rest)),
        scope.get("path_template"),
    )


def stable_headers(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers that two answers share; the framework sorts the methods in `Allow` by chance."""
    for name, value in headers:
        if name.lower() not in CHANGING:
            yield name.lower(), b", ".join(sorted(value.split(b", "))) if name.lower() == b"allow" else value


def stable_content(body: bytes) -> Any:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict):
        # Two answers have two ids, and are made at two times.
        for name in ("request_id", "time"):
            content.pop(name, None)
    return content


def pass_on(_: Litestar, __: AppState, framework: ASGIApp) -> ASGIApp:
    """Dispatch nothing directly."""
    return framework


@pytest.fixture(scope="session")
def by_framework(running: RunningCloud) -> Litestar:
    """The application on the same cloud in which all requests go through the framework."""
    return create_app(Settings(), running.app_state, ServerMetrics(CollectorRegistry()), dispatch=pass_on)


def headers_of(tenant: Tenant, role: Role = Role.OPERATORS) -> list[tuple[bytes, bytes]]:
    """Return the headers that a client of a tenant sends."""
    return [(b"host", b"pileus.test"), (b"authorization", f"APIKey {tenant.tokens[role]}".encode())]


async def check_same_answers(running: RunningCloud, by_framework: Litestar, requests: Iterable[RawRequest]) -> None:
    """Send each request both ways, and compare the answers."""
    for request in requests:
        direct, expected = await send_raw(running.app, request), await send_raw(by_framework, request)
        assert direct == expected, request


def odd_requests(endpoint: Endpoint, tenant: Tenant) -> Iterable[RawRequest]:
    """Yield requests that change nothing: of resources that do not exist, or with a body that cannot be read."""
    path = endpoint.filled(missing_ids().but(project_id=tenant.project_id))
    yield from requests_without_access(endpoint, tenant, path)
    if endpoint.method == "GET" or endpoint.body_type() is not None or endpoint.named:
        yield from requests_with_odd_paths(endpoint, tenant, path)
    if endpoint.body_type() is not None:
        yield from requests_with_odd_bodies(endpoint, tenant, path)
    if {"project_id", "instance_id", "volume_id"} & endpoint.named and endpoint.method != "POST":
        yield from requests_for_missing_resources(endpoint, tenant)


def requests_with_odd_paths(endpoint: Endpoint, tenant: Tenant, path: str) -> Iterable[RawRequest]:
    ids, headers = missing_ids().but(project_id=tenant.project_id), headers_of(tenant)
    paths = [path + "/", path + "//", "/" + path, path.replace("/cloud", "/cloud/", 1), path + "/x", path[1:]]
    for name in sorted(endpoint.named):
        values = NUMBERS if isinstance(ids.values[name], int) else TEXTS
        paths += [endpoint.filled(ids.but(**{name: value})) for value in values]
    body = b"" if endpoint.body_type() is None else b"{"
    return [RawRequest(endpoint.method, odd_path, headers=headers, parts=(body,)) for odd_path in paths]


def requests_with_odd_bodies(endpoint: Endpoint, tenant: Tenant, path: str) -> Iterable[RawRequest]:
    bodies: list[tuple[bytes | None, ...]] = [(body,) for body in BODIES]
    bodies += [(b"{", b"}x"), (b"{", None), (None,), (b"", b"", b"{")]
    return [RawRequest(endpoint.method, path, headers=headers_of(tenant), parts=parts) for parts in bodies]


def requests_for_missing_resources(endpoint: Endpoint, tenant: Tenant) -> Iterable[RawRequest]:
    path, body, headers = endpoint.filled(missing_ids()), json.dumps(endpoint.body()).encode(), headers_of(tenant)
    yield RawRequest(endpoint.method, path, headers=headers, parts=(body[:3], body[3:]))
    for query in (b"", *QUERIES):
        yield RawRequest(endpoint.method, path, query, headers=headers, parts=(body,))


def requests_without_access(endpoint: Endpoint, tenant: Tenant, path: str) -> Iterable[RawRequest]:
    """Yield requests that are refused before the body is read."""
    (host, key), body = headers_of(tenant), b"{"
    for authorization in (b"", b"APIKey", b"APIKey 1_x", b"Bearer x", b"Basic eDp5", b"\xff"):
        yield RawRequest(endpoint.method, path, headers=[host, (b"authorization", authorization)], parts=(body,))
    for odd_host in (b"", b"a/b", b"a b", b"\xff", b"[::1]:80", b"a_b~", b"x" * 300):
        yield RawRequest(endpoint.method, path, headers=[(b"host", odd_host)], parts=(body,))
    yield RawRequest(endpoint.method, path, headers=[(b"host", b"a/b"), host, key], parts=(body,))
    yield RawRequest(endpoint.method, path, headers=[host, (b"host", b"a/b")], parts=(body,))
    yield RawRequest(endpoint.method, path, parts=(body,))
    yield RawRequest(endpoint.method, path, headers=[host], parts=(body,), root_path="/cloud")
    for method in METHODS:
        yield RawRequest(method, path, headers=[host], parts=(body,))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_odd_requests_are_answered_as_by_the_framework(
    tenant: Tenant, by_framework: Litestar, endpoint: Endpoint
) -> None:
    if endpoint.name == "GET /metrics":
        return
    await check_same_answers(tenant.running, by_framework, odd_requests(endpoint, tenant))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_reads_are_answered_as_by_the_framework(owner: Owner, by_framework: Litestar, endpoint: Endpoint) -> None:
    if endpoint.method != "GET" or endpoint.name in VOLATILE | ENDLESS:
        return
    path = endpoint.filled(owner.ids)
    requests = [
        RawRequest(method, path, query, headers=headers_of(owner.tenant, role))
        for method in ("GET", "HEAD")
        for query in (b"", b"limit=1", b"unknown=x")
        for role in Role
    ]
    await check_same_answers(owner.tenant.running, by_framework, requests)


async def test_changes_are_answered_as_by_the_framework(tenant: Tenant, by_framework: Litestar) -> None:
    instance = await an_instance(tenant)
    path, headers = tenant.path("instances", instance.id), headers_of(tenant)
    bodies = [
        b'{"name": "a"}',
        b'{"tags": {"a": "b"}}',
        b'{"tags": null}',
        b'{"tags": {"a": null}}',
        b'{"x": 1}',
        b"{}",
    ]

    await check_same_answers(
        tenant.running, by_framework, [RawRequest("PATCH", path, headers=headers, parts=(body,)) for body in bodies]
    )


async def test_a_handler_that_fails_is_answered_as_by_the_framework(tenant: Tenant, by_framework: Litestar) -> None:
    instance = await an_instance(tenant)
    await tenant.running.app_state.db.write(
        lambda tx: tx.run("UPDATE instances SET boot = 'no JSON' WHERE id = :id", id=instance.id)
    )
    request = RawRequest("GET", tenant.path("instances", instance.id, "ports"), headers=headers_of(tenant))

    await check_same_answers(tenant.running, by_framework, [request])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_plain_requests_are_dispatched_directly(running: RunningCloud, method: str) -> None:
    routes, headers = DirectRoutes(running.app_state.operations), [(b"host", b"127.0.0.1:8000")]
    path = f"/cloud/v1/instances/1/1/{UUID}"

    assert routes.find(RawRequest(method, path, headers=headers).scope()) is not None
    assert routes.find(RawRequest(method, path + "/", headers=headers).scope()) is None
    assert routes.find(RawRequest("GET", "/cloud/v1/instances/1/1", b"limit=1", headers).scope()) is None
