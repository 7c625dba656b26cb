"""What OpenStack refuses in the middle of a creation: more than its quota, and tokens that have expired."""

import time
from collections.abc import Iterator

import pytest
from gcore import Gcore

from tests.openstack.engine import Engine
from tests.openstack.failures.orders import (
    ONE_OF_EACH,
    Stage,
    begin_creation,
    count_parts,
    delete_instance,
    finish_creation,
    wait_for_end,
)
from tests.openstack.failures.proxies import Proxy, pause
from tests.openstack.installations import Installation
from tests.openstack.services import kill_service, set_option, start_service

QUOTAS = {
    "compute": ("/os-quota-sets/{project}", "quota_set", "instances", "servers"),
    "block-storage": ("/os-quota-sets/{project}", "quota_set", "volumes", "volumes"),
    "network": ("/quotas/{project}", "quota", "port", "ports"),
}
"""The path of a quota, its field in the body, its own field, and the list of what it limits."""
TOKEN_SECONDS = 45
"""How long tokens last in the test: the client of each service replaces those of its own 30 s before."""


@pytest.mark.usefixtures("remaining")
@pytest.mark.parametrize("service", QUOTAS)
def test_an_exceeded_quota_fails_the_creation_and_leaves_nothing(
    client: Gcore, engine: Engine, stage: Stage, service: str
) -> None:
    path, key, name, existing = QUOTAS[service]
    projects = engine.request("identity", "GET", "/auth/projects")["projects"]
    (project_id,) = [project["id"] for project in projects if project["name"] == "admin"]
    path = path.format(project=project_id)
    used = engine.request(service, "GET", f"/{existing}", params={"project_id": project_id})[existing]

    engine.request(service, "PUT", path, json={key: {name: len(used)}})
    try:
        task = wait_for_end(client, begin_creation(client, stage))
    finally:
        engine.request(service, "PUT", path, json={key: {name: -1}})

    assert (task.state, "uota" in str(task.error), name in str(task.error)) == ("ERROR", True, True)
    assert not client.cloud.instances.list().results


@pytest.fixture
def short_tokens(installation: Installation) -> Iterator[None]:
    """Let tokens expire soon. The proxy tells the server that they last."""
    before = set_option("keystone/keystone.conf", "expiration", str(TOKEN_SECONDS))
    _restart(installation)
    yield
    set_option("keystone/keystone.conf", "expiration", before)
    _restart(installation)


def _restart(installation: Installation) -> None:
    kill_service("keystone-api")
    start_service("keystone-api")
    installation.stop()
    installation.start()


@pytest.mark.usefixtures("remaining", "short_tokens")
def test_a_creation_goes_on_when_its_token_expires(client: Gcore, engine: Engine, proxy: Proxy, stage: Stage) -> None:
    tokens = sum("/auth/tokens" in key for key in proxy.received)
    proxy.before["POST /21414/v2.1/servers"] = pause(TOKEN_SECONDS + 5)

    instance_id = finish_creation(client, begin_creation(client, stage))

    assert sum("/auth/tokens" in key for key in proxy.received) > tokens
    assert count_parts(client, engine, instance_id) == ONE_OF_EACH
    time.sleep(TOKEN_SECONDS)
    delete_instance(client, instance_id)
