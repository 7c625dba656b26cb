"""Load balancers of Octavia's provider for OVN, which really balance, by the official SDK."""

from collections.abc import Iterator
from typing import Any

import pytest
from gcore import Gcore
from gcore.types.cloud import LoadBalancer

from tests.machines.real import until
from tests.openstack.installations import PATIENCE, Installation
from tests.openstack.life.conftest import Machines

WEB, OTHER = "<h1>web</h1>", "<h1>other</h1>"
REQUESTS = 30
"""With two members, one of them gets none of so many connections once in 500 million times."""


class Balanced:
    """A load balancer in front of both machines, one of which sends requests to it."""

    def __init__(self, installation: Installation, client: Gcore, machines: Machines) -> None:
        self._installation, self._client, self._machines = installation, client, machines
        self.balancer = self._create()

    def _create(self) -> LoadBalancer:
        instances = self._client.cloud.instances
        (interface,) = instances.interfaces.list(instance_id=self._machines.other_id).results
        (place,) = interface.ip_assignments
        members: list[Any] = [
            {"address": address, "protocol_port": 80, "subnet_id": place.subnet_id}
            for address in (self._machines.web_address, self._machines.other_address)
        ]
        monitor: Any = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2, "max_retries_down": 2}
        pool = {"name": "web", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener: Any = {
            "name": "web",
            "protocol": "TCP",
            "protocol_port": 80,
            "pools": [{**pool, "healthmonitor": monitor}],
        }
        return self._client.cloud.load_balancers.create_and_poll(
            name="web",
            flavor="lb1-1-2",
            vip_network_id=interface.network_id,
            vip_subnet_id=place.subnet_id,
            listeners=[listener],
        )

    @property
    def pool_id(self) -> str:
        """The id of the only pool."""
        (pool,) = self._client.cloud.load_balancers.pools.list(load_balancer_id=self.balancer.id).results
        return pool.id

    def pages(self) -> list[str]:
        """Return which pages answer to many requests of a machine; one that fails has none."""
        request = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {self.balancer.vip_address} 80 | tail -n 1"
        loop = f"i=0; while [ $i -lt {REQUESTS} ]; do {request}; i=$((i+1)); done"
        return self._installation.ssh(self._machines.floating_ip, loop).split()

    def is_answered_by(self, *pages: str) -> bool:
        """Return whether all requests are answered, and by all of these pages alone."""
        answers = self.pages()
        return len(answers) == REQUESTS and set(answers) == set(pages)


@pytest.fixture(scope="module")
def balanced(installation: Installation, machines: Machines) -> Iterator[Balanced]:
    """The load balancer; at the end it is deleted, and nothing of it remains."""
    with installation.client() as client:
        running = Balanced(installation, client, machines)
        yield running
        client.cloud.load_balancers.delete_and_poll(load_balancer_id=running.balancer.id)


def test_requests_reach_both_members(balanced: Balanced) -> None:
    assert until(lambda: balanced.is_answered_by(WEB, OTHER), PATIENCE)


def test_a_removed_member_gets_no_requests(client: Gcore, balanced: Balanced, machines: Machines) -> None:
    pools = client.cloud.load_balancers.pools
    pool = pools.get(pool_id=balanced.pool_id)
    (member,) = [item for item in pool.members if item.address == machines.other_address]
    (task_id,) = pools.members.delete(pool_id=pool.id, member_id=member.id).tasks
    client.cloud.tasks.poll(task_id=task_id)

    assert balanced.is_answered_by(WEB)

    added: Any = {"address": member.address, "protocol_port": 80, "subnet_id": member.subnet_id}
    pools.members.create_and_poll(pool_id=pool.id, **added)
    assert until(lambda: balanced.is_answered_by(WEB, OTHER), PATIENCE)


def test_requests_go_on_without_a_stopped_machine(client: Gcore, balanced: Balanced, machines: Machines) -> None:
    client.cloud.instances.action_and_poll(instance_id=machines.other_id, action="stop")
    try:
        assert until(lambda: balanced.is_answered_by(WEB), PATIENCE)
    finally:
        client.cloud.instances.action_and_poll(instance_id=machines.other_id, action="start")
    assert until(lambda: balanced.is_answered_by(WEB, OTHER), PATIENCE)
