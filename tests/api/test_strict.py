"""With the setting `strict`, a request with fields or parameters that nothing reads gets 400 and changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud, run_cloud
from pileus.settings import Settings
from tests.api.foreign_ids import missing_ids
from tests.api.routes import ENDLESS, ENDPOINTS, Endpoint
from tests.api.test_dispatcher import RawRequest, headers_of, pass_on, send_raw
from tests.app_settings import checked_settings
from tests.builders import an_instance, reload_instance
from tests.tenants import Tenant, new_tenant

UNREAD = "Not read by this operation"


@pytest.fixture(scope="module")
async def strict_cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCloud]:
    """A cloud with the setting."""
    async with run_cloud(checked_settings(data=tmp_path_factory.mktemp("strict"), strict=True)) as running:
        yield running


@pytest.fixture
async def strict_tenant(strict_cloud: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of that cloud."""
    async with new_tenant(strict_cloud) as fresh:
        yield fresh


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"nmae": "web-2"}, {"nmae": [f"{UNREAD}: did you mean name?"]}),
        ({"name": "web-2", "zone": 1}, {"zone": [UNREAD]}),
        (
            {"name": 1, "tgas": {}},
            {"name": ["Input should be a valid string"], "tgas": [f"{UNREAD}: did you mean tags?"]},
        ),
    ],
)
async def test_an_unread_field_is_400_and_changes_nothing(
    strict_tenant: Tenant, body: dict[str, Any], errors: dict[str, Any]
) -> None:
    instance = await an_instance(strict_tenant)
    request = RawRequest(
        "PATCH",
        strict_tenant.path("instances", instance.id),
        b"",
        headers_of(strict_tenant),
        (msgspec.json.encode(body),),
    )
    state = strict_tenant.running.app_state
    by_framework = create_app(Settings(), state, ServerMetrics(CollectorRegistry()), dispatch=pass_on)

    answers = [await send_raw(app, request) for app in (strict_tenant.running.app, by_framework)]
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].body["invalid_fields"]) == (400, errors)
    assert await reload_instance(strict_tenant, instance) == instance


async def test_unread_fields_are_named_by_their_paths(strict_tenant: Tenant) -> None:
    body = {"flavor": "g1-standard-1-2", "volumes": [{"source": "new-volume", "size": 1, "szie": 2}], "interfaces": []}
    answer = await strict_tenant.api.post(strict_tenant.path("instances", version=2), json=body)

    fields = answer.json()["invalid_fields"]
    assert fields["volumes"] == {"0": {"szie": [f"{UNREAD}: did you mean size?"]}}
    assert fields["interfaces"] == ["List should have at least 1 item after validation, not 0"]


async def test_a_body_that_its_handler_decodes_later_is_checked(strict_tenant: Tenant) -> None:
    instance = await an_instance(strict_tenant)
    path = strict_tenant.path("instances", instance.id, "attach_interface")
    answer = await strict_tenant.api.post(path, json={"subnet_id": instance.id, "ip_famliy": "ipv4"})

    assert answer.json()["invalid_fields"] == {"ip_famliy": [f"{UNREAD}: did you mean ip_family?"]}


@pytest.mark.parametrize("path", ["/cloud/v1/projects", "/cloud/public/v1/ipranges/egress"])
async def test_an_unread_parameter_is_400(strict_tenant: Tenant, path: str) -> None:
    answer = await strict_tenant.api.get(f"{path}?offst=1")
    message = f"{UNREAD}: did you mean offset?" if path.endswith("projects") else UNREAD

    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {"offst": [message]})


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_requests_with_known_parameters_and_fields_are_taken(strict_tenant: Tenant, endpoint: Endpoint) -> None:
    if endpoint.name in ENDLESS:
        return
    path = endpoint.filled(missing_ids().but(project_id=strict_tenant.project_id))
    query = "&".join(f"{name}=" for name in endpoint.queries)
    answer = await strict_tenant.operator.request(endpoint.method, f"{path}?{query}", json=endpoint.body())

    assert UNREAD not in answer.text


async def test_paths_that_are_not_offered_are_501_all_the_same(strict_tenant: Tenant) -> None:
    assert (await strict_tenant.api.get("/cloud/v1/k8s/clusters?x=1")).status_code == 501
