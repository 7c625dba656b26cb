"""A compute host that dies while it builds a machine: another host gets the machine."""

import time
from typing import Any

import pytest
from gcore import Gcore

from pileus.drivers.openstack.names import MACHINE_TAG
from tests.machines.real import until
from tests.openstack.engine import Engine
from tests.openstack.failures.orders import (
    ONE_OF_EACH,
    Stage,
    begin_creation,
    count_parts,
    delete_instance,
    finish_creation,
)
from tests.openstack.installations import PATIENCE
from tests.openstack.services import kill_host, start_host

HOST = "OS-EXT-SRV-ATTR:host"
MOST_TRIES = 5
"""Of machines that are built before their host is killed."""


@pytest.mark.usefixtures("remaining")
def test_a_machine_is_built_on_another_host_when_its_own_dies(client: Gcore, engine: Engine, stage: Stage) -> None:
    for _ in range(MOST_TRIES):
        task_id = begin_creation(client, stage)
        server = until(lambda: _find_begun(engine), PATIENCE)
        host = server[HOST]
        if server["status"] == "BUILD":
            kill_host(int(host.removeprefix("host")))
            break
        delete_instance(client, finish_creation(client, task_id))
    else:
        raise AssertionError("no host was killed while it built a machine")
    try:
        instance_id = finish_creation(client, task_id)
        built = engine.server_of(instance_id)
        parts = count_parts(client, engine, instance_id)
    finally:
        start_host(int(host.removeprefix("host")))
    until(lambda: _count_hosts(engine) == 2, PATIENCE)

    assert (built["status"], built[HOST] == host) == ("ACTIVE", False)
    assert parts == ONE_OF_EACH
    delete_instance(client, instance_id)


def _find_begun(engine: Engine) -> dict[str, Any] | None:
    """Return the server of the stage's only machine, once a host has it."""
    servers = engine.request("compute", "GET", "/servers/detail", params={"tags": MACHINE_TAG})["servers"]
    begun: dict[str, Any] | None = next((server for server in servers if server[HOST]), None)
    if begun is None:
        time.sleep(0.1)
    return begun


def _count_hosts(engine: Engine) -> int:
    services = engine.request("compute", "GET", "/os-services", params={"binary": "nova-compute"})["services"]
    return sum(service["state"] == "up" for service in services)
