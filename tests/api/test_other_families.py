"""Published operations that the server does not offer answer 501, and unknown paths 404."""

import re

import pytest

from pileus.api.routes.other_families import CLOUD_FAMILIES, PRODUCTS
from pileus.domain.account.access import Role
from tests.api.sdk_requests import list_sdk_requests
from tests.contract.documents import PUBLISHED, check_answer, list_unserved, shape
from tests.tenants import Tenant, client_of

PREFIXES = [
    *(prefix for prefixes in PRODUCTS.values() for prefix in prefixes),
    *(f"/cloud/v1/{re.sub('{.*?}', '1', word)}" for words in CLOUD_FAMILIES.values() for word in words),
    "/cloud/v3/gpu/virtual/1/1/images",
    "/cloud/v3/gpu/virtual/1/1/clusters",
]
LOST = re.compile(r"/\S+ could not be found")
"""The text of the error for an unknown route; that for a missing resource starts with its kind."""


async def test_every_request_of_the_official_sdk_is_served_or_not_offered(tenant: Tenant) -> None:
    requests = await list_sdk_requests()
    lost, refused = [], 0

    for method, path in sorted(requests):
        answer = await tenant.api.request(method, path)
        is_unknown = answer.status_code == 404 and LOST.fullmatch(answer.json()["message"])
        if is_unknown or answer.status_code in (405, 500):
            lost.append((method, path, answer.status_code))
        refused += answer.status_code == 501

    assert lost == []
    assert len(requests) > 700
    assert 500 < refused < len(requests) - 100


@pytest.mark.skipif(not PUBLISHED, reason="the published contract is not here")
async def test_a_published_operation_answers_501_exactly_while_it_is_listed_as_not_served(tenant: Tenant) -> None:
    operations = [operation for contract in PUBLISHED for operation in contract.operations()]
    answers = {
        (method, shape(path)): await tenant.api.request(method, re.sub("{.*?}", "1", path))
        for method, path in operations
    }

    assert {operation for operation, answer in answers.items() if answer.status_code == 501} == list_unserved()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_another_family_is_501_with_a_key_and_401_without(tenant: Tenant, prefix: str, method: str) -> None:
    async with client_of(tenant.running, None) as anonymous:
        for path in (prefix, f"{prefix}/1/1/x"):
            answer = await tenant.clients[Role.USERS].request(method, path)
            assert (answer.status_code, answer.headers["x-should-retry"]) == (501, "false")
            if method != "HEAD":
                body = answer.json()
                assert body["exception_class"] == "NotImplemented"
                assert body["message"].endswith(": not offered by this server")
                assert body["request_id"] == answer.headers["x-request-id"]
                check_answer(method, "/cloud/v1/projects", 501, answer.content)
            assert (await anonymous.request(method, path)).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/cloud/v1/instances/1/1/x/nothing", "/cloud/v1/nothing", "/cloud/v1/loadbalancersets", "/nothing", "/cdnx"],
)
async def test_an_unknown_path_of_a_served_family_stays_404(tenant: Tenant, path: str) -> None:
    answer = await tenant.api.get(path)

    assert (answer.status_code, answer.json()["message"]) == (404, f"{path} could not be found")
