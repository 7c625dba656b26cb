"""Test load balancers of real machines through the API."""

import os
from typing import Any

import httpx
import pytest
from gcore import BadRequestError, Gcore

from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from tests.machines.real import RealCloud
from tests.servers import KEY


@pytest.fixture(autouse=True)
def _require_haproxy() -> None:
    """Skip the tests where no load balancer can run."""
    if obstacle := HaproxyPrograms(is_root=os.geteuid() == 0).find_obstacle():
        pytest.skip(obstacle)


def test_a_listener_answers_by_its_forwarded_port_until_it_is_deleted(real: RealCloud, client: Gcore) -> None:
    listener: Any = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
    balancers = client.cloud.load_balancers
    balancer = balancers.create_and_poll(name="web", flavor="lb1-1-2", listeners=[listener])
    path = f"{real.server.url}/_pileus/loadbalancers/1/1/{balancer.id}/ways"
    (forward,) = httpx.get(path, headers={"Authorization": f"APIKey {KEY}"}).json()
    answer = httpx.get(f"http://{forward['host_address']}:{forward['host_port']}/")
    with pytest.raises(BadRequestError, match="do not have UDP"):
        balancers.listeners.create(name="dns", protocol="UDP", protocol_port=53, load_balancer_id=balancer.id)
    pool = balancers.pools.create_and_poll(
        name="web", protocol="HTTP", lb_algorithm="ROUND_ROBIN", load_balancer_id=balancer.id
    )
    with pytest.raises(BadRequestError, match="do not have PING"):
        balancers.pools.health_monitors.create(pool.id, type="PING", delay=5, api_timeout=2, max_retries=1)
    listed = balancers.get(balancer.id, show_stats=True)
    balancers.delete_and_poll(balancer.id)

    assert answer.status_code == 503
    assert listed.stats is not None
    assert (listed.operating_status, listed.stats.total_connections) == ("ONLINE", 1)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{forward['host_address']}:{forward['host_port']}/")
