"""Requests generated from the OpenAPI document: none causes 500, and each answer matches the document."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pileus.api.openapi import openapi_document
from pileus.app import make_app
from pileus.domain.account.access import ALL_CLIENTS
from pileus.services.clocks import reset_clock
from pileus.settings import Settings
from pileus.store import faults
from pileus.store.compute import capacities
from pileus.store.database import Tx
from tests.api.foreign_ids import create_everything
from tests.builders import driver_of
from tests.databases import BACKENDS
from tests.sync_app import SyncApp, run_sync_app
from tests.tenants import REGION

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES, WORKFLOWS, ROW, LEAST_GOOD = 10, 15, 25, 20
SCHEMA = schemathesis.openapi.from_dict(openapi_document(make_app(Settings())))
FOUND: list[Any] = list(SCHEMA.get_all_operations())
OPERATIONS = [operation.ok() for operation in FOUND]


def clean_up(world: SyncApp) -> None:
    """Delete all faults, and reset the clock."""

    async def write(tx: Tx) -> None:
        await faults.remove_all(tx)
        for client_id, region_id, flavor_id, _ in await capacities.list_limits(tx, ALL_CLIENTS):
            await capacities.set_limit(tx, client_id, region_id, flavor_id, None)
        await reset_clock(tx, world.running.app_state.clock.system_now())

    world.run(world.running.app_state.db.write(write))
    world.run(world.running.app_state.controls.refresh())
    world.run(driver_of(world.running).set_transition_time("instant"))


@pytest.fixture(scope="module", params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncApp]:
    """An application on each database."""
    with run_sync_app(request.param, tmp_path_factory.mktemp("made-up")) as opened:
        yield opened


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_generated_request_causes_500(world: SyncApp, operation: Any) -> None:
    tenant = world.tenant()
    ids = world.run(create_everything(tenant))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.booleans())
    def send(case: Any, real: bool) -> None:  # noqa: FBT001
        known = ids.values if real else {"project_id": tenant.project_id, "region_id": REGION}
        case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        arguments = case.as_transport_kwargs(base_url="http://pileus.test")
        headers = {**arguments.pop("headers", {}), "authorization": tenant.api.headers["authorization"]}
        answer = world.run(tenant.api.request(**_request_arguments(arguments), headers=headers))
        case.validate_response(answer, checks=CHECKS)

    send()
    clean_up(world)


class Workflow(SCHEMA.as_state_machine()):  # type: ignore[misc]  # a generated class
    """Sequences of requests, linked by the ids in their answers."""

    world: SyncApp
    judged: Counter[str]
    wrong: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = self.world.tenant()
        self.world.run(create_everything(self.tenant))

    def before_call(self, case: Any) -> None:
        """Use the tenant's own project."""
        here = {"project_id": self.tenant.project_id, "region_id": REGION, "client_id": self.tenant.client_id}
        case.path_parameters.update({name: here[name] for name in case.path_parameters if name in here})

    def call(self, case: Any, **_: Any) -> Response:
        """Send the request to the application."""
        arguments = case.as_transport_kwargs(base_url="http://pileus.test")
        headers = {**arguments.pop("headers", {}), "authorization": self.tenant.api.headers["authorization"]}
        answer = self.world.run(self.tenant.api.request(**_request_arguments(arguments), headers=headers))
        return Response.from_httpx(answer, verify=False)

    def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
        """Validate an answer; keep failures, because a repeated request may be answered differently."""
        self.judged[f"{case.operation.label} {response.status_code // 100}"] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failures:
            self.wrong.extend(map(str, failures.exceptions))

    def teardown(self) -> None:
        """Delete all faults."""
        super().teardown()
        clean_up(self.world)


@pytest.mark.timeout(300)
def test_no_sequence_of_requests_causes_500(world: SyncApp) -> None:
    bound: Any = type("Bound", (Workflow,), {"world": world, "judged": Counter(), "wrong": []})

    while bound.judged.total() < ROW * WORKFLOWS / 2:
        # Each tenant has different ids, so the library would report a flaky test.
        with suppress(Flaky):
            run_state_machine_as_test(
                bound,
                settings=settings(
                    max_examples=WORKFLOWS,
                    stateful_step_count=ROW,
                    deadline=None,
                    database=None,
                    phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )

    assert bound.wrong == []
    good = {label for label in bound.judged if label.endswith(" 2")}
    assert len(good) > LEAST_GOOD


def _request_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of our client for a generated request."""
    return {name: arguments[name] for name in ("method", "url", "params", "json") if arguments.get(name) is not None}
