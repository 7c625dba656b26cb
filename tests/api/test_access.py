"""Who may use which route: the whole program is gone over, and a route that nobody has decided on fails here."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import ALLOWED, Access, Role
from tests.api.conftest import Owner
from tests.api.foreign_ids import SECRET, Ids, ids_of_nothing
from tests.api.routes import DOORS, LOCKED, Door
from tests.tenants import Tenant, client_of

TABLE = Path(__file__).with_name("access.txt")
ROLES = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
GRIPPING = {
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_console",
    "GET /cloud/v3/baremetal/{project_id}/{region_id}/{server_id}/get_console",
}
"""What only looks at things, but hands them over to whoever does."""
MISSING = "Authentication credentials were not provided."

# What is nobody's: what the catalogue says, and what only the operator of the simulated cloud has.
EVERYBODYS = (
    "/cloud/v1/regions",
    "/cloud/v1/bmflavors/{region_id}",
    "/cloud/v2/bmcapacity/{region_id}",
    "/cloud/v1/ddos/accessibility",
    "/cloud/v1/ddos/profile-templates",
    "/cloud/v1/ddos/region_coverage",
    "/cloud/v1/pricing/{region_id}/ddos",
    "/_pileus/operations",
    "/_pileus/faults",
    "/_pileus/capacities",
    "/_pileus/time",
    "/_pileus/blackholes",
    "/_pileus/quotas",
)
REFUSED = [(door, role) for door in LOCKED for role in Role if door.access not in ALLOWED[role]]


def test_every_route_is_in_the_access_list() -> None:
    """Write a line for a new route into `access.txt`, after thinking about who may use it."""
    assert TABLE.read_text("utf-8").splitlines() == [f"{door.name} {door.access}" for door in DOORS]


# Whoever opens a console sits at the machine's keyboard.
CONTROL = "/get_console"


def test_reading_needs_the_lowest_role_and_changing_a_higher_one() -> None:
    for door in LOCKED:
        if not door.path.startswith("/_pileus/") and not door.path.endswith(CONTROL):
            assert (door.method == "GET") <= (door.access == Access.READ), door.name
            assert (door.method in ("PUT", "PATCH", "DELETE")) <= (door.access != Access.READ), door.name


def test_the_document_about_roles_matches_the_routes() -> None:
    told = set(re.findall(r"^- `([A-Z]+ /\S+)`", ROLES.read_text("utf-8"), flags=re.MULTILINE))

    harmless = {door.name for door in DOORS if door.method == "POST" and door.access == Access.READ}
    administered = {door.name for door in DOORS if door.access == Access.ADMINISTER}
    opened = {door.name for door in DOORS if door.access == Access.OPEN}
    assert told == {name for name in harmless | administered | opened | GRIPPING if "/_pileus/" not in name}


@pytest.fixture
async def anybody(tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with client_of(tenant.running, None) as client:
        yield client


@pytest.mark.parametrize("door", LOCKED, ids=lambda door: door.name)
async def test_a_route_without_a_key_is_401(anybody: httpx.AsyncClient, door: Door) -> None:
    answer = await anybody.request(door.method, door.filled(ids_of_nothing()))

    assert (answer.status_code, answer.json()["message"]) == (401, MISSING)


@pytest.mark.parametrize("door", [door for door in DOORS if door.access == Access.OPEN], ids=lambda door: door.name)
async def test_an_open_route_needs_no_key(anybody: httpx.AsyncClient, door: Door) -> None:
    answer = await anybody.request(door.method, door.filled(ids_of_nothing()))

    assert answer.status_code in (200, 404)


@pytest.mark.parametrize(("door", "role"), REFUSED, ids=str)
async def test_a_role_without_access_is_403_whatever_the_body(tenant: Tenant, door: Door, role: Role) -> None:
    answer = await tenant.clients[role].request(door.method, door.filled(ids_of_nothing()), content=b"{")

    told = f"The role {role} does not allow this operation"
    assert (answer.status_code, answer.json()["message"]) == (403, told)


@pytest.mark.parametrize(
    "door", [door for door in LOCKED if not door.path.startswith(EVERYBODYS)], ids=lambda door: door.name
)
async def test_another_tenants_resource_looks_like_a_missing_one(owner: Owner, stranger: Tenant, door: Door) -> None:
    """Neither by the owner's whole path, nor by the owner's ids in the stranger's own project."""
    nothing = ids_of_nothing()
    places: list[dict[str, Any]] = [{}]
    if door.named - {"project_id", "region_id"} and "project_id" in door.named:
        places.append({"project_id": stranger.project_id})

    for place in places:
        real, never = owner.ids.but(**place), nothing.but(**place)
        answer, expected = await _asked(stranger, door, real), await _asked(stranger, door, never)
        assert SECRET not in answer.text
        if door.named:
            assert answer.status_code == 404, answer.text
            assert _unnamed(door, answer, real) == _unnamed(door, expected, never)


async def _asked(tenant: Tenant, door: Door, ids: Ids) -> httpx.Response:
    body = door.body()
    return await tenant.api.request(door.method, door.filled(ids), **({} if body is None else {"json": body}))


def _unnamed(door: Door, answer: httpx.Response, ids: Ids) -> tuple[int, dict[str, Any]]:
    """An answer but for what the stranger has said and what differs every time."""
    told = answer.json()
    for name in door.named:
        told["message"] = told["message"].replace(f" {ids.of(door.path, name)} ", " <id> ")
    return answer.status_code, {**told, "request_id": ""}
