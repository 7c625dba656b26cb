"""Error answers of the API."""

import pytest

from pileus.api.errors import HTTP_ERRORS
from pileus.domain.errors import Problem
from tests.tenants import Tenant, client_of


def _family(problem: type[Problem]) -> list[type[Problem]]:
    return [child for direct in problem.__subclasses__() for child in (direct, *_family(direct))]


@pytest.mark.parametrize("problem", _family(Problem))
def test_every_problem_has_an_http_status(problem: type[Problem]) -> None:
    assert problem in HTTP_ERRORS


async def test_an_unknown_route_is_404_in_the_apis_shape(tenant: Tenant) -> None:
    answer = await tenant.api.get("/cloud/v1/nothing")

    assert answer.status_code == 404
    assert answer.json()["exception_class"] == "NotFoundError"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_every_answer_has_its_id_in_two_headers(tenant: Tenant) -> None:
    for path in (tenant.path("instances"), tenant.path("instances", "x"), "/healthz", "/nothing"):
        answer = await tenant.api.get(path)
        assert answer.headers["request_id"] == answer.headers["x-request-id"]


async def test_a_wrong_method_is_405_in_the_apis_shape(tenant: Tenant) -> None:
    answer = await tenant.api.put(tenant.path("instances", "x"), json={})

    assert answer.status_code == 405
    assert answer.json()["message"] == "HTTP 405: Method Not Allowed"


@pytest.mark.parametrize("path", ["/cloud/v1/projects", "/cloud/v2/instances/1/1", "/cloud/v1/instances/1/1/x"])
async def test_options_is_204_with_and_without_a_key(tenant: Tenant, path: str) -> None:
    async with client_of(tenant.running, None) as anonymous:
        answers = [await client.request("OPTIONS", path) for client in (tenant.api, anonymous)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
