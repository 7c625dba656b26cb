"""What somebody changes in OpenStack beside Pileus: it is repaired, or the API tells it."""

from collections.abc import Iterator
from typing import Any

import pytest
from gcore import Gcore
from msgspec import Struct

from pileus.drivers.openstack.names import engine_name
from tests.machines.real import until
from tests.openstack.engine import Engine
from tests.openstack.failures.orders import Stage, begin_creation, delete_instance, finish_creation

REPAIR_SECONDS = 400.0
"""Two looks, a minute apart, and the task. A loaded machine takes longer."""


class Machine(Struct, frozen=True):
    """A machine with a floating IP, and the ids of Pileus."""

    instance_id: str
    port_id: str
    group_id: str
    floating_ip_id: str


@pytest.fixture
def machine(client: Gcore, stage: Stage) -> Iterator[Machine]:
    """Create the machine."""
    instance_id = finish_creation(client, begin_creation(client, stage, is_public=True))
    (interface,) = client.cloud.instances.interfaces.list(instance_id=instance_id).results
    (floating_ip,) = [item for item in client.cloud.floating_ips.list() if item.port_id == interface.port_id]
    (group,) = client.cloud.security_groups.list(name="default").results
    yield Machine(instance_id, str(interface.port_id), group.id, floating_ip.id)
    delete_instance(client, instance_id)


def find_one(engine: Engine, kind: str, path: str, **params: str) -> dict[str, Any]:
    """Return the only resource of the network service with these fields."""
    (item,) = engine.request("network", "GET", path, params=params)[kind]
    return dict(item)


def read_state(engine: Engine, machine: Machine) -> dict[str, Any]:
    """Return what OpenStack has of what the test changes; what is missing is None."""
    groups = engine.request("network", "GET", "/security-groups", params={"name": engine_name(machine.group_id)})
    ports = engine.request("network", "GET", "/ports", params={"name": engine_name(machine.port_id)})["ports"]
    addresses = engine.request(
        "network", "GET", "/floatingips", params={"description": engine_name(machine.floating_ip_id)}
    )["floatingips"]
    return {
        "rules": sorted(
            (rule["direction"], rule["ethertype"], rule["protocol"] or "", rule["port_range_min"] or 0)
            for group in groups["security_groups"]
            for rule in group["security_group_rules"]
        ),
        "port": [(port["device_id"], port["port_security_enabled"], port["security_groups"]) for port in ports],
        "floating IP": [(item["floating_ip_address"], item["fixed_ip_address"]) for item in addresses],
    }


@pytest.mark.usefixtures("remaining")
def test_rules_ports_and_floating_ips_are_set_again(client: Gcore, engine: Engine, machine: Machine) -> None:
    intended = read_state(engine, machine)
    group = find_one(engine, "security_groups", "/security-groups", name=engine_name(machine.group_id))
    port = find_one(engine, "ports", "/ports", name=engine_name(machine.port_id))
    address = find_one(engine, "floatingips", "/floatingips", description=engine_name(machine.floating_ip_id))

    foreign = {"security_group_id": group["id"], "direction": "ingress", "protocol": "udp"}
    foreign |= {"port_range_min": "31337", "port_range_max": "31337"}
    engine.request("network", "POST", "/security-group-rules", json={"security_group_rule": foreign})
    open_to_all = {"security_groups": [], "port_security_enabled": False}
    engine.request("network", "PUT", f"/ports/{port['id']}", json={"port": open_to_all})
    engine.request("network", "DELETE", f"/floatingips/{address['id']}")
    changed = read_state(engine, machine)

    assert all(changed[kind] != intended[kind] for kind in intended)
    until(lambda: read_state(engine, machine) == intended, REPAIR_SECONDS)
    engine.request("network", "DELETE", f"/ports/{port['id']}")
    until(lambda: read_state(engine, machine) == intended, REPAIR_SECONDS)
    assert client.cloud.instances.get(instance_id=machine.instance_id).status == "ACTIVE"


@pytest.mark.usefixtures("remaining")
def test_a_server_that_is_deleted_is_shown_as_failed(client: Gcore, engine: Engine, machine: Machine) -> None:
    engine.request("compute", "DELETE", f"/servers/{engine.server_of(machine.instance_id)['id']}")

    until(lambda: client.cloud.instances.get(instance_id=machine.instance_id).status == "ERROR", REPAIR_SECONDS)
