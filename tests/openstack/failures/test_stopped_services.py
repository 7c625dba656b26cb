"""A service that is stopped for a minute in the middle of a creation: the task waits, and goes on."""

import threading
import time

import pytest
from gcore import Gcore

from tests.machines.real import until
from tests.openstack.engine import Engine
from tests.openstack.failures.orders import (
    ENDED,
    ONE_OF_EACH,
    Stage,
    begin_creation,
    count_parts,
    delete_instance,
    finish_creation,
)
from tests.openstack.failures.proxies import Proxy
from tests.openstack.services import forget_tokens, kill_service, start_service

OUTAGE = 60.0
SECONDS = 300.0
VOLUME, PORT, SERVER = "POST /21415/v3", "POST /21413/v2.0/ports", "POST /21414/v2.1/servers"
MOMENTS = {
    "keystone-api": PORT,
    "glance-api": VOLUME,
    "neutron-api": SERVER,
    "nova-api": PORT,
    "cinder-api": SERVER,
}
"""The request before which a service stops: the service that gets it, or the next request, needs the stopped one."""


@pytest.mark.usefixtures("remaining")
@pytest.mark.parametrize("service", MOMENTS)
def test_a_creation_waits_for_a_service_that_is_stopped_and_goes_on(
    client: Gcore, engine: Engine, proxy: Proxy, stage: Stage, service: str
) -> None:
    is_stopped = threading.Event()

    def stop() -> None:
        kill_service(service)
        forget_tokens()
        is_stopped.set()

    proxy.before[MOMENTS[service]] = stop
    task_id = begin_creation(client, stage)
    try:
        until(lambda: is_stopped.is_set() or client.cloud.tasks.get(task_id=task_id).state in ENDED, SECONDS)
        time.sleep(OUTAGE)
        waiting = client.cloud.tasks.get(task_id=task_id)
    finally:
        start_service(service)
    instance_id = finish_creation(client, task_id)

    assert (waiting.state, waiting.error) == ("RUNNING", None)
    assert count_parts(client, engine, instance_id) == ONE_OF_EACH
    delete_instance(client, instance_id)
