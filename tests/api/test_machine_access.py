"""The port forwards of instances and load balancers, at their present addresses and at the deprecated ones."""

import pytest

from pileus.drivers.protocols.guests import PortForward
from tests.balancers import a_balancer
from tests.builders import an_instance
from tests.simulated_cloud import drivers_of_regions
from tests.tenants import Tenant

pytestmark = pytest.mark.parametrize("address", ["port_forwards", "ways"])


class ForwardingDriver:
    """A driver that forwards port 20000 to port 22 of every machine, and notes whose forwards it lists."""

    def __init__(self) -> None:
        self.machine_ids: list[str] = []

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """Return one forward."""
        self.machine_ids.append(machine_id)
        return [PortForward(protocol="tcp", address="10.0.0.5", port=22, host_address="127.0.0.1", host_port=20000)]


async def test_port_forwards_are_listed(tenant: Tenant, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = ForwardingDriver()
    instance, balancer = await an_instance(tenant), await a_balancer(tenant)
    monkeypatch.setattr(tenant.running.app_state, "drivers", drivers_of_regions(driver))

    answers = [
        await tenant.api.get(f"/_pileus/instances/{tenant.place_path}/{instance.id}/{address}"),
        await tenant.api.get(f"/_pileus/loadbalancers/{tenant.place_path}/{balancer.id}/{address}"),
    ]

    forward = {"protocol": "tcp", "address": "10.0.0.5", "port": 22, "host_address": "127.0.0.1", "host_port": 20000}
    assert [answer.json() for answer in answers] == [[forward], [forward]]
    assert driver.machine_ids == [instance.id, balancer.id]


async def test_simulated_machines_have_no_port_forwards(tenant: Tenant, address: str) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.get(f"/_pileus/instances/{tenant.place_path}/{instance.id}/{address}")

    assert answer.status_code == 409
    assert "This driver has no port forwards" in answer.json()["message"]
