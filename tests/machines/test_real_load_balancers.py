"""Test load balancers of real machines through the API."""

import os
import signal
from collections import Counter
from typing import Any

import httpx
import pytest
from gcore import BadRequestError, Gcore
from gcore.types.cloud import LoadBalancer

from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from tests.machines.real import RealCloud, open_web_port, until
from tests.requirements import skip_unless_required

MONITOR = {"type": "HTTP", "url_path": "/", "delay": 2, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


@pytest.fixture(autouse=True)
def _require_haproxy() -> None:
    """Skip the tests where no load balancer can run."""
    if obstacle := HaproxyPrograms(is_root=os.geteuid() == 0).find_obstacle():
        skip_unless_required(obstacle)


def test_a_listener_answers_by_its_forwarded_port_until_it_is_deleted(real: RealCloud, client: Gcore) -> None:
    listener: Any = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
    balancers = client.cloud.load_balancers
    balancer = balancers.create_and_poll(name="web", flavor="lb1-1-2", listeners=[listener])
    url = forwarded_url(real, balancer.id)
    answer = httpx.get(url)
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
        httpx.get(url)


def test_two_guests_take_turns_and_requests_go_on_when_one_dies(real: RealCloud, client: Gcore) -> None:
    network = client.cloud.networks.create_and_poll(name="balanced", create_router=True)
    subnet = client.cloud.networks.subnets.create_and_poll(
        name="balanced", cidr="10.60.0.0/24", network_id=network.id, connect_to_network_router=True
    )
    interface = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}
    first_id, second_id = (real.order(client, name, interfaces=[interface]) for name in ("one", "two"))
    with open_web_port(client, first_id):
        for instance_id in (first_id, second_id):
            # HAProxy takes a member for up until its first check.
            real.ssh(instance_id, "wget -qO- http://127.0.0.1/")
        members = [member_of(client, instance_id) for instance_id in (first_id, second_id)]
        first, second = (member["address"] for member in members)
        balancer = balance(client, network.id, subnet.id, members)
        until_members_are(client, balancer.id, {first: "ONLINE", second: "ONLINE"})
        url = forwarded_url(real, balancer.id)
        shared = count_answers(url, 20)
        os.kill(real.pid(second_id), signal.SIGKILL)
        until_members_are(client, balancer.id, {first: "ONLINE", second: "ERROR"})
        after_death = count_answers(url, 50)
        (floating_ip,) = balancer.floating_ips
        by_floating_ip = real.ssh(first_id, f"wget -qO- http://{floating_ip.floating_ip_address}/")

    assert shared == {"one": 10, "two": 10}
    assert after_death == {"one": 50}
    assert "one" in by_floating_ip
    client.cloud.load_balancers.delete_and_poll(balancer.id)
    for instance_id in (first_id, second_id):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)


def balance(client: Gcore, network_id: str, subnet_id: str, members: list[Any]) -> LoadBalancer:
    """Create a load balancer with a floating IP, whose HTTP listener lets monitored members take turns."""
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    pools = [{**pool, "healthmonitor": MONITOR}]
    listener: Any = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "pools": pools}
    return client.cloud.load_balancers.create_and_poll(
        name="web",
        flavor="lb1-1-2",
        vip_network_id=network_id,
        vip_subnet_id=subnet_id,
        floating_ip={"source": "new"},
        listeners=[listener],
    )


def forwarded_url(real: RealCloud, load_balancer_id: str) -> str:
    """Return the URL at which the host forwards to the only listener."""
    (forward,) = real.list_forwards("loadbalancers", load_balancer_id)
    return f"http://{forward['host_address']}:{forward['host_port']}/"


def member_of(client: Gcore, instance_id: str) -> Any:
    """Return the web server of an instance as a member of a pool."""
    (interface,) = client.cloud.instances.interfaces.list(instance_id=instance_id).results
    return {
        "address": interface.ip_assignments[0].ip_address,
        "protocol_port": 80,
        "instance_id": instance_id,
    }


def until_members_are(client: Gcore, load_balancer_id: str, statuses: dict[str, str]) -> None:
    """Wait until the members of the only pool have these operating statuses, by address."""

    def have_statuses() -> bool:
        (listed,) = client.cloud.load_balancers.pools.list(load_balancer_id=load_balancer_id).results
        pool = client.cloud.load_balancers.pools.get(listed.id)
        return {member.address: member.operating_status for member in pool.members} == statuses

    until(have_statuses)


def count_answers(url: str, count: int) -> Counter[str]:
    """Count which guest answers so many requests, each on a connection of its own; all must be answered."""
    with httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as host:
        answers = [host.get(url).raise_for_status().text for _ in range(count)]
    return Counter(answer.strip().removeprefix("<h1>").removesuffix("</h1>") for answer in answers)
