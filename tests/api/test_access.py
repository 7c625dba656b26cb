"""Access of each route. A route that is not in access.txt fails here."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import ALLOWED, Access, Role
from tests.api.conftest import Owner
from tests.api.foreign_ids import SECRET, Ids, missing_ids
from tests.api.routes import AUTHENTICATED, ENDPOINTS, Endpoint
from tests.tenants import Tenant, client_of

TABLE = Path(__file__).with_name("access.txt")
ROLES = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
SECRET_READS = {
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_console",
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_spice_console",
    "GET /cloud/v3/baremetal/{project_id}/{region_id}/{server_id}/get_console",
}
"""Reads that return secrets, and so need a higher role."""
MISSING = "Authentication credentials were not provided."

# Paths without resources of tenants: the catalogue, and the control of the simulated cloud. Operators see all tenants.
GLOBAL_PATHS = (
    "/cloud/v1/regions",
    "/cloud/v1/bmflavors/{region_id}",
    "/cloud/v2/bmcapacity/{region_id}",
    "/cloud/v1/ddos/accessibility",
    "/cloud/v1/ddos/profile-templates",
    "/cloud/v1/ddos/region_coverage",
    "/cloud/v1/pricing/{region_id}/ddos",
    "/_pileus/operations",
    "/_pileus/faults",
    "/_pileus/http_faults",
    "/_pileus/http_operations",
    "/_pileus/requests",
    "/_pileus/capacities",
    "/_pileus/clock",
    "/_pileus/time",
    "/_pileus/blackholes",
    "/_pileus/quotas",
    "/_pileus/reset",
    "/_pileus/state",
    "/_pileus/tenants",
    "/ui/changes",
)
REFUSED = [(endpoint, role) for endpoint in AUTHENTICATED for role in Role if endpoint.access not in ALLOWED[role]]


def test_every_route_is_in_the_access_list() -> None:
    """Add a line to `access.txt` for each new route."""
    assert TABLE.read_text("utf-8").splitlines() == [f"{endpoint.name} {endpoint.access}" for endpoint in ENDPOINTS]


# A console gives control of the machine, so it needs the right to write.
CONTROL = ("/get_console", "/get_spice_console")


def test_reading_needs_the_lowest_role_and_changing_a_higher_one() -> None:
    for endpoint in AUTHENTICATED:
        if not endpoint.path.startswith("/_pileus/") and not endpoint.path.endswith(CONTROL):
            assert (endpoint.method == "GET") <= (endpoint.access == Access.READ), endpoint.name
            assert (endpoint.method in ("PUT", "PATCH", "DELETE")) <= (endpoint.access != Access.READ), endpoint.name


def test_the_document_about_roles_matches_the_routes() -> None:
    documented = set(re.findall(r"^- `([A-Z]+ /\S*)`", ROLES.read_text("utf-8"), flags=re.MULTILINE))

    harmless = {endpoint.name for endpoint in ENDPOINTS if endpoint.method == "POST" and endpoint.access == Access.READ}
    administered = {endpoint.name for endpoint in ENDPOINTS if endpoint.access == Access.ADMINISTER}
    operated = {endpoint.name for endpoint in ENDPOINTS if endpoint.access in (Access.OPERATE, Access.CONTROL)}
    opened = {endpoint.name for endpoint in ENDPOINTS if endpoint.access == Access.OPEN}
    public = {name for name in harmless | administered | opened | SECRET_READS if "/_pileus/" not in name}
    assert documented == public | operated


@pytest.fixture
async def anonymous(tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client without an API key."""
    async with client_of(tenant.running, None) as client:
        yield client


@pytest.mark.parametrize("endpoint", AUTHENTICATED, ids=lambda endpoint: endpoint.name)
async def test_a_route_without_a_key_is_401(anonymous: httpx.AsyncClient, endpoint: Endpoint) -> None:
    answer = await anonymous.request(endpoint.method, endpoint.filled(missing_ids()))

    assert (answer.status_code, answer.json()["message"]) == (401, MISSING)


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.access == Access.OPEN],
    ids=lambda endpoint: endpoint.name,
)
async def test_an_open_route_needs_no_key(anonymous: httpx.AsyncClient, endpoint: Endpoint) -> None:
    answer = await anonymous.request(endpoint.method, endpoint.filled(missing_ids()))

    # A login without a body is invalid.
    assert answer.status_code in ((400,) if endpoint.method == "POST" else (200, 307, 404))


@pytest.mark.parametrize(("endpoint", "role"), REFUSED, ids=str)
async def test_a_role_without_access_is_403_whatever_the_body(tenant: Tenant, endpoint: Endpoint, role: Role) -> None:
    answer = await tenant.clients[role].request(endpoint.method, endpoint.filled(missing_ids()), content=b"{")

    message = f"The role {role} does not allow this operation"
    assert (answer.status_code, answer.json()["message"]) == (403, message)


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in AUTHENTICATED if not endpoint.path.startswith(GLOBAL_PATHS)],
    ids=lambda endpoint: endpoint.name,
)
async def test_another_tenants_resource_looks_like_a_missing_one(
    owner: Owner, stranger: Tenant, endpoint: Endpoint
) -> None:
    """With the owner's path, and with the owner's ids in the stranger's own project."""
    nothing = missing_ids()
    places: list[dict[str, Any]] = [{}]
    if endpoint.named - {"project_id", "region_id"} and "project_id" in endpoint.named:
        places.append({"project_id": stranger.project_id})

    for place in places:
        real, never = owner.ids.but(**place), nothing.but(**place)
        answer, expected = await _request(stranger, endpoint, real), await _request(stranger, endpoint, never)
        assert SECRET not in answer.text
        if endpoint.named:
            assert answer.status_code == 404, answer.text
            assert _without_ids(endpoint, answer, real) == _without_ids(endpoint, expected, never)


async def _request(tenant: Tenant, endpoint: Endpoint, ids: Ids) -> httpx.Response:
    body = endpoint.body()
    client = tenant.operator if endpoint.access in (Access.OPERATE, Access.CONTROL) else tenant.api
    return await client.request(endpoint.method, endpoint.filled(ids), **({} if body is None else {"json": body}))


def _without_ids(endpoint: Endpoint, answer: httpx.Response, ids: Ids) -> tuple[int, dict[str, Any]]:
    """Return the status and the body without the ids of the request and the request id."""
    body = answer.json()
    for name in endpoint.named:
        body["message"] = body["message"].replace(f" {ids.of(endpoint.path, name)} ", " <id> ")
    return answer.status_code, {**body, "request_id": ""}
