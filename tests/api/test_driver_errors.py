"""Requests for what only a driver knows: 503 while the driver's cloud does not answer, 409 for its other errors."""

from typing import Any

import pytest

from pileus.drivers.protocols.adoption import SupportsAdoption
from pileus.drivers.protocols.consoles import SupportsConsoles
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.guests import SupportsPortForwards, SupportsSerialLogs
from pileus.drivers.protocols.load_balancers import DetectsLoadBalancers, SupportsLoadBalancers
from pileus.drivers.protocols.metrics import SupportsMachineMetrics, SupportsRouterMetrics
from tests.api.conftest import Owner
from tests.api.routes import ENDPOINTS, Endpoint
from tests.simulated_cloud import drivers_of_regions

ABILITIES = (
    DetectsLoadBalancers,
    SupportsAdoption,
    SupportsConsoles,
    SupportsLoadBalancers,
    SupportsMachineMetrics,
    SupportsPortForwards,
    SupportsRouterMetrics,
    SupportsSerialLogs,
)
CREATION = "POST /cloud/v1/loadbalancers/{project_id}/{region_id}"
ADOPTION = "POST /_pileus/adoptions/{project_id}/{region_id}"
ASKING = {
    "GET /_pileus/foreign_resources/{project_id}/{region_id}",
    "GET /_pileus/instances/{project_id}/{region_id}/{instance_id}/port_forwards",
    "GET /_pileus/instances/{project_id}/{region_id}/{instance_id}/serial_log",
    "GET /_pileus/instances/{project_id}/{region_id}/{instance_id}/ways",
    "GET /_pileus/loadbalancers/{project_id}/{region_id}/{load_balancer_id}/port_forwards",
    "GET /_pileus/loadbalancers/{project_id}/{region_id}/{load_balancer_id}/ways",
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_console",
    "GET /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/get_spice_console",
    "GET /cloud/v3/baremetal/{project_id}/{region_id}/{server_id}/get_console",
    "POST /cloud/v1/instances/{project_id}/{region_id}/{instance_id}/metrics",
    "POST /cloud/v1/loadbalancers/{project_id}/{region_id}/{load_balancer_id}/metrics",
    "POST /cloud/v1/routers/{project_id}/{region_id}/{router_id}/metrics",
    ADOPTION,
    CREATION,
}
"""The operations that ask a driver before they answer. The others answer without it."""


class FailingDriver:
    """A driver with many abilities, all of which fail."""

    def __init__(self, error: DriverError) -> None:
        self.error = error

    async def fail(self, *_: object) -> Any:
        """Fail."""
        raise self.error


for ability in ABILITIES:
    for name in vars(ability):
        if not name.startswith("_"):
            setattr(FailingDriver, name, FailingDriver.fail)


def asks_driver(endpoint: Endpoint) -> bool:
    """Return whether an endpoint may ask a driver before it answers: it reads something of a region, or is listed."""
    reads = endpoint.method == "GET" or (endpoint.method == "POST" and endpoint.access == "read")
    return (reads and "{region_id}" in endpoint.path) or endpoint.name in (ADOPTION, CREATION)


async def statuses_of_endpoints(owner: Owner, error: DriverError, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return the status codes of the endpoints that may ask a driver, whose calls fail with an error."""
    monkeypatch.setattr(owner.tenant.running.app_state, "drivers", drivers_of_regions(FailingDriver(error)))
    statuses = {}
    for endpoint in filter(asks_driver, ENDPOINTS):
        path = endpoint.filled(owner.ids)
        answer = await owner.tenant.operator.request(endpoint.method, path, json=endpoint.body())
        statuses[endpoint.name] = answer.status_code
        assert answer.status_code < 500 or str(error) in answer.json()["message"]
    return statuses


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DriverUnreachable("OpenStack cannot be reached"), 503),
        (DriverError("The machine does not run", retryable=True), 409),
    ],
)
async def test_an_outage_of_the_cloud_is_503_and_other_errors_are_409(
    owner: Owner, error: DriverError, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = await statuses_of_endpoints(owner, error, monkeypatch)

    assert {name for name, status in statuses.items() if status == expected} == ASKING


async def test_a_console_that_the_driver_never_opens_is_a_wrong_type(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FailingDriver(DriverError("Unknown console type carrier-pigeon", retryable=False))
    monkeypatch.setattr(owner.tenant.running.app_state, "drivers", drivers_of_regions(driver))
    path = owner.tenant.path("instances", str(owner.ids.values["instance_id"]), "get_console")
    answer = await owner.tenant.api.get(path)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["console_type"])
