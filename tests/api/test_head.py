"""HEAD answers as GET without the body, on every route."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from pileus.domain.account.access import Role
from tests.api.conftest import Owner
from tests.api.routes import ENDLESS, ENDPOINTS, Endpoint
from tests.builders import an_instance
from tests.servers import KEY, Server
from tests.tenants import Tenant, client_of

READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET" and endpoint.name not in ENDLESS]
CHANGING = {"request_id", "x-request-id", "date"}
VOLATILE = {
    # Each request is counted, and each console has its own ticket.
    "GET /metrics",
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_console",
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_spice_console",
    "GET /cloud/v3/baremetal/{project_id}/{region_id}/{server_id}/get_console",
}


def stable_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in CHANGING}


@pytest.mark.parametrize("endpoint", READS, ids=lambda endpoint: endpoint.name)
async def test_head_answers_as_get_without_the_body(owner: Owner, endpoint: Endpoint) -> None:
    path, client = endpoint.filled(owner.ids), owner.tenant.api

    whole, head = await client.get(path), await client.head(path)

    assert (head.status_code, head.content) == (whole.status_code, b"")
    if endpoint.name not in VOLATILE:
        assert stable_headers(head) == stable_headers(whole)
    assert head.headers.keys() == whole.headers.keys()


async def test_head_of_a_stream_ends(tenant: Tenant) -> None:
    answer = await tenant.api.head("/ui/changes")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_head_needs_the_access_of_get(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id)

    async with client_of(tenant.running, None) as anonymous:
        without_key = await anonymous.head(path)
    console = await tenant.clients[Role.USERS].head(f"{path}/get_console")

    assert (await tenant.api.head(path)).status_code == 200
    assert (await stranger.api.head(path)).status_code == 404
    assert (without_key.status_code, console.status_code) == (401, 403)


async def test_head_without_get_is_405(tenant: Tenant) -> None:
    answer = await tenant.api.head(tenant.path("instances", "x", "start"))

    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS"])
async def test_allow_names_head_beside_get(tenant: Tenant, method: str) -> None:
    answer = await tenant.api.request(method, tenant.path("instances", "x"))

    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


async def test_allow_names_no_head_without_get(tenant: Tenant) -> None:
    answer = await tenant.api.put(tenant.path("instances", "x", "start"), json={})

    assert answer.headers["allow"] == "POST, OPTIONS"


async def test_head_is_counted_as_head(tenant: Tenant) -> None:
    await tenant.api.head("/healthz")

    text = (await tenant.api.get("/metrics")).text

    assert 'pileus_requests_total{method="HEAD",operation="healthz",route="/healthz",status="200"}' in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/cloud/v1/regions", "/schema", "/cloud/v1/nothing"])
def test_the_real_server_sends_the_length_of_the_body_that_get_has(server: Server, path: str) -> None:
    """Two requests on one connection: a body after HEAD would be read as the next answer."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    answers = []
    for method in ("HEAD", "GET"):
        connection.request(method, path, headers={"Authorization": f"APIKey {KEY}"})
        answer = connection.getresponse()
        answers.append((answer.status, answer.headers["content-type"], answer.headers["content-length"]))
        body = answer.read()
    connection.close()

    assert answers[0] == answers[1]
    assert answers[0][2] == str(len(body))
