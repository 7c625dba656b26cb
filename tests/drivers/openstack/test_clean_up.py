"""The clean-up after a test of conformance, on the recorded double of OpenStack."""

import json
from collections import deque
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.drivers.openstack.names import PREFIX
from pileus.testing.conformance.harnesses import DriverTestHarness, make_driver_config
from tests.drivers.openstack.double import Double

FOREIGN = "6f1f1a3c-0000-4000-8000-000000000001"
OTHER_PROJECT = {"project_id": "other", "owner": "other"}
LISTS = ("floatingips", "loadbalancers", "images", "snapshots", "volumes", "routers", "networks", "security_groups")


@pytest.fixture
def recording_name() -> str:
    """The recording that this test plays."""
    return "test_load_balancer_life_cycle"


def add_foreign_items(double: Double) -> list[str]:
    """Let each list show what another project has, as an administrator sees it; return the kinds of the lists."""
    item = {"id": FOREIGN, "name": f"{PREFIX}{FOREIGN}", "description": f"{PREFIX}{FOREIGN}", **OTHER_PROJECT}
    kinds = []
    for key, responses in double.exchanges.items():
        method, path, _ = key.split(maxsplit=2)
        kind = path.rpartition("/")[2].replace("-", "_")
        if method == "GET" and kind in LISTS:
            kinds.append(kind)
            double.exchanges[key] = deque(
                (position, replace(answer, body=json.dumps({kind: [*json.loads(answer.body)[kind], item]})))
                for position, answer in responses
            )
    return kinds


async def test_what_other_projects_have_is_left_alone(
    driver_harness: DriverTestHarness, driver_name: str, data: Path, cloud_server: Double
) -> None:
    driver = driver_harness.create(make_driver_config(driver_name, data))
    kinds = add_foreign_items(cloud_server)

    await driver_harness.clean_up(driver)

    assert sorted(kinds) == sorted(LISTS)
    assert [key for key in cloud_server.received if FOREIGN in key] == []
