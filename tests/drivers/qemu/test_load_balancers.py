"""Test load balancers with real traffic between network namespaces."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from pileus.domain.load_balancers.pools import SessionPersistence
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import (
    BalancedTraffic,
    LoadBalancerSpec,
)
from pileus.drivers.protocols.network import FloatingIPSpec, RouterSpec
from tests.drivers.qemu.balanced import (
    SITE,
    VIP,
    Guest,
    Site,
    a_listener,
    a_member,
    a_monitor,
    a_policy,
    a_pool,
    a_rule,
    end_fabric,
    status,
    three_guests,
    until_status,
)
from tests.drivers.qemu.conftest import a_nic, until
from tests.drivers.qemu.drivers import create_qemu
from tests.drivers.qemu.shared import is_gone


async def test_requests_go_on_when_a_member_dies_and_comes_back_in_turn(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    monitored = replace(balancer, health_monitors=[a_monitor(balancer.pools[0], type="HTTP", url_path="/health")])
    await site.qemu.ensure_load_balancer(monitored)
    before = client.count_names(40)
    second.end()
    await until_status(site, monitored, 1, "ERROR")
    after = client.count_names(40)

    assert before == {"one": 20, "two": 20}
    assert after == {"one": 40}
    assert await status(site, monitored, 0) == "ONLINE"


async def test_a_member_that_answers_its_checks_badly_gets_no_traffic(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    monitor = a_monitor(balancer.pools[0], type="HTTP", url_path="/health", http_version="1.1", domain_name="a.example")
    (first.folder / "sick").touch()
    await site.qemu.ensure_load_balancer(replace(balancer, health_monitors=[monitor]))
    await until_status(site, balancer, 0, "ERROR")
    sick = client.count_names(10)
    (first.folder / "sick").unlink()
    await until_status(site, balancer, 0, "ONLINE")

    assert sick == {"two": 10}
    assert client.count_names(10) == {"one": 5, "two": 5}


async def test_weights_are_kept_within_five_percent_and_change_without_a_new_process(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    workers = await worker_ids(site, balancer)
    heavier, lighter = (replace(member, weight=weight) for member, weight in zip(balancer.members, (3, 1), strict=True))
    await site.qemu.ensure_load_balancer(replace(balancer, members=[heavier, lighter]))
    weighted = client.count_names(400)
    await site.qemu.ensure_load_balancer(replace(balancer, members=[replace(heavier, admin_state_up=False), lighter]))

    assert abs(weighted["one"] - 300) <= 20
    assert client.count_names(20) == {"two": 20}
    assert await worker_ids(site, balancer) == workers


async def worker_ids(site: Site, balancer: LoadBalancerSpec) -> list[str]:
    """Return the processes of a load balancer that count traffic."""
    await site.qemu.traffic_by_listener_id(balancer.id)
    return sorted(site.qemu.haproxy.records.traffic(balancer.id).workers)


async def test_an_update_under_load_drops_no_connection(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    load = client.start_curl(
        "--parallel", "--parallel-max", "8", "-o", "/dev/null", "-w", "%{http_code}\n", f"{SITE}/[1-1500]"
    )
    limit, reloads = 900, 0
    while load.poll() is None or not reloads:
        listeners = [replace(balancer.listeners[0], connection_limit=limit + reloads)]
        await site.qemu.ensure_load_balancer(replace(balancer, listeners=listeners))
        reloads += 1
    codes = load.communicate()[0].split()

    assert codes == ["200"] * 1500


async def test_counters_outlive_the_processes_that_count(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    client.count_names(10)
    counted = await traffic_of(site, balancer)
    listeners = [replace(balancer.listeners[0], connection_limit=99)]
    await site.qemu.ensure_load_balancer(replace(balancer, listeners=listeners))
    reloaded = await traffic_of(site, balancer)
    client.count_names(10)
    await site.qemu.ensure_load_balancer(replace(balancer, machine_generation=2))
    restarted = await traffic_of(site, balancer)

    assert counted == reloaded
    assert (counted.total_connections, restarted.total_connections) == (1, 2)
    assert (counted.bytes_in * 2, counted.bytes_out * 2) == (restarted.bytes_in, restarted.bytes_out)


async def traffic_of(site: Site, balancer: LoadBalancerSpec) -> BalancedTraffic:
    """Return the counters of the only listener, once its connections have ended."""

    async def is_idle() -> bool:
        traffic = await site.qemu.traffic_by_listener_id(balancer.id)
        return not traffic[balancer.listeners[0].id].active_connections

    await until(is_idle)
    return (await site.qemu.traffic_by_listener_id(balancer.id))[balancer.listeners[0].id]


@pytest.mark.parametrize("algorithm", ["ROUND_ROBIN", "LEAST_CONNECTIONS"])
async def test_sources_keep_their_members_over_changes_and_restarts(site: Site, algorithm: str) -> None:
    first, second, client = await three_guests(site)
    persistence = SessionPersistence(type="SOURCE_IP")
    pool = a_pool(lb_algorithm=algorithm, session_persistence=persistence)
    listener = a_listener(default_pool_id=pool.id)
    balancer = site.load_balancer(
        pools=[pool], members=[a_member(pool, first), a_member(pool, second)], listeners=[listener]
    )
    await site.qemu.ensure_load_balancer(balancer)
    chosen = members_by_source(client)
    await site.qemu.ensure_load_balancer(replace(balancer, listeners=[replace(listener, connection_limit=99)]))
    reloaded = members_by_source(client)
    await site.qemu.ensure_load_balancer(replace(balancer, machine_generation=2))

    assert chosen == reloaded == members_by_source(client)
    assert set(chosen.values()) == {"one", "two"}


def members_by_source(client: Guest) -> dict[str, str]:
    """Return who answers each address of the client."""
    addresses = [f"10.0.0.{last}" for last in range(100, 121)]
    return {address: client.get(f"{SITE}/", "--interface", address)["name"] for address in addresses}


@pytest.mark.parametrize(("kind", "path", "cookie"), [("APP_COOKIE", "/login", "session"), ("HTTP_COOKIE", "/", None)])
async def test_cookies_keep_their_members_over_changes_and_restarts(
    site: Site, tmp_path: Path, kind: str, path: str, cookie: str | None
) -> None:
    first, second, client = await three_guests(site)
    pool = a_pool(session_persistence=SessionPersistence(type=kind, cookie_name=cookie))
    listener = a_listener(default_pool_id=pool.id)
    members = [a_member(pool, first), a_member(pool, second)]
    balancer = site.load_balancer(pools=[pool], members=members, listeners=[listener])
    await site.qemu.ensure_load_balancer(balancer)
    jar = str(tmp_path / "cookies")
    name = client.get(f"{SITE}{path}", "--cookie-jar", jar)["name"]
    await site.qemu.ensure_load_balancer(replace(balancer, listeners=[replace(listener, connection_limit=99)]))
    reloaded = client.count_names(10, "--cookie", jar)
    await site.qemu.ensure_load_balancer(replace(balancer, machine_generation=2))
    answer = client.get(f"{SITE}/", "--cookie", jar)

    assert reloaded == {name: 10}
    assert answer["name"] == name
    assert answer["headers"].get("cookie") == ("session=abc" if cookie else None)


async def test_backups_serve_only_while_no_other_member_is_up(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    primary, backup = balancer.members
    monitored = replace(
        balancer,
        members=[primary, replace(backup, backup=True)],
        health_monitors=[a_monitor(balancer.pools[0])],
    )
    await site.qemu.ensure_load_balancer(monitored)
    before = client.count_names(10)
    first.end()
    await until_status(site, monitored, 0, "ERROR")

    assert (before, client.count_names(10)) == ({"one": 10}, {"two": 10})


async def test_floating_ips_and_forwarded_ports_lead_to_the_listeners(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    await site.qemu.ensure_router(RouterSpec(id="router", name="out", outside=a_nic(addresses=["198.18.0.7"])))
    await site.qemu.ensure_router_interface("router", site.nic("10.0.0.1"))
    floating_ip = FloatingIPSpec(
        id="floating", region_id=1, ip_address="198.18.0.60", port_id=balancer.vip.port_id, fixed_ip_address=VIP
    )
    await site.qemu.ensure_floating_ip(floating_ip)
    (forward,) = await site.qemu.port_forwards(balancer.id)
    async with httpx.AsyncClient() as host:
        answer = await host.get(f"http://{forward.host_address}:{forward.host_port}/")

    assert answer.json()["name"] in {"one", "two"}
    assert client.count_names(10, url="http://198.18.0.60") == {"one": 5, "two": 5}


async def test_a_load_balancer_survives_the_server_and_is_started_again_after_its_own_end(
    site: Site, data: Path
) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    process_id = site.qemu.haproxy.records.get(balancer.id).pid
    assert process_id
    next_server = create_qemu(data)
    kept = client.count_names(10)
    os.kill(process_id, signal.SIGKILL)
    site.qemu.control.children.wait_and_untrack(balancer.id)
    await next_server.haproxy.load_balancers.restart_ended()
    next_server.close()

    assert kept == client.count_names(10) == {"one": 5, "two": 5}
    assert site.qemu.haproxy.records.get(balancer.id).pid != process_id


async def test_a_load_balancer_that_the_network_does_not_reach_does_not_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    balancer, load_balancers = site.load_balancer(), site.qemu.haproxy.load_balancers
    await site.qemu.ensure_load_balancer(balancer)
    first = site.qemu.haproxy.records.get(balancer.id).pid
    assert first
    os.kill(first, signal.SIGKILL)
    site.qemu.control.children.wait_and_untrack(balancer.id)
    with monkeypatch.context() as patch:
        end_fabric(site.qemu, patch)
        await load_balancers.restart_ended()
        second = site.qemu.haproxy.records.get(balancer.id).pid
        is_running = not is_gone(second or 0)

    assert second != first
    assert not is_running


async def test_the_load_of_a_load_balancer_is_sampled(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    await site.qemu.haproxy.sampler.sample_load_balancers()
    client.count_names(100)
    await site.qemu.haproxy.sampler.sample_load_balancers()
    (sample,) = await site.qemu.load_balancer_samples(balancer.id, 0, 1 << 62, 10)

    assert sample.network_bytes_in > 0
    assert sample.network_bytes_out > 0
    assert 0 < sample.memory_util < 50
    assert 0 <= sample.cpu_util <= 100


async def test_what_haproxy_refuses_changes_nothing(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    policy = a_policy(balancer.listeners[0], 1, action="REJECT")
    rule = a_rule(policy, "PATH", "REGEX", r"(?P<same>a)(?P<same>b)")
    with pytest.raises(DriverError, match="HAProxy refuses the configuration") as refusal:
        await site.qemu.ensure_load_balancer(replace(balancer, l7_policies=[policy], l7_rules=[rule]))

    assert not refusal.value.retryable
    assert client.count_names(10) == {"one": 5, "two": 5}


async def test_nothing_remains_of_a_deleted_load_balancer(site: Site) -> None:
    first, second, client = await three_guests(site)
    balancer = site.load_balancer(first, second)
    await site.qemu.ensure_load_balancer(balancer)
    await site.qemu.ensure_no_load_balancer(balancer.id)
    await site.qemu.ensure_no_load_balancer(balancer.id)

    assert list(site.qemu.directory.load_balancers.iterdir()) == []
    assert not list(site.qemu.directory.logs.glob("*haproxy*"))
    assert client.status(f"{SITE}/") == "000"
    assert await site.qemu.member_statuses([balancer.id]) == {}
