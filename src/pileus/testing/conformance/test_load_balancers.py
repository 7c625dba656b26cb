"""Conformance of load balancers, if they are implemented."""

import uuid
from typing import Any

import pytest
from msgspec.structs import astuple, replace

from pileus.domain.load_balancers.parts import OperatingStatus
from pileus.domain.load_balancers.pools import SessionPersistence
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import (
    DetectsLoadBalancers,
    HealthMonitorSpec,
    L7PolicySpec,
    L7RuleSpec,
    LimitsLoadBalancers,
    ListenerSpec,
    LoadBalancerSpec,
    MemberSpec,
    ObservesMembers,
    PoolSpec,
    SupportsLoadBalancers,
)
from pileus.testing.conformance.fixtures import MakeDriver
from pileus.testing.conformance.helpers import (
    HOUR,
    call_twice,
    create_network_with_subnet,
    new_nic,
    require_capability,
)

FLAVORS = ("lb1-1-2", "lb1-2-4")
"""Flavors of the built-in catalogue."""
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_load_balancer_life_cycle(driver: Compute) -> None:
    balancing_driver, balancer = await require_balancing(driver), await new_load_balancer(driver)

    await call_twice(balancing_driver.ensure_load_balancer, balancer)
    await call_twice(balancing_driver.ensure_load_balancer, without_parts(balancer))
    await call_twice(balancing_driver.ensure_load_balancer, balancer)
    await call_twice(balancing_driver.ensure_no_load_balancer, balancer.id)
    await call_twice(balancing_driver.ensure_load_balancer, balancer)
    await call_twice(balancing_driver.ensure_no_load_balancer, balancer.id)


async def test_parts_are_switched_off_and_changed(driver: Compute) -> None:
    balancing_driver, balancer = await require_balancing(driver), await new_load_balancer(driver)
    (listener,), (pool,), (first, second) = balancer.listeners, balancer.pools, balancer.members
    sticky = replace(pool, session_persistence=SessionPersistence(type="SOURCE_IP"), lb_algorithm="LEAST_CONNECTIONS")
    for changed in (
        replace(balancer, members=[replace(first, weight=2), replace(second, backup=True)]),
        replace(balancer, members=[replace(first, admin_state_up=False), replace(second, weight=256)]),
        replace(balancer, pools=[sticky]),
        replace(balancer, pools=[replace(pool, admin_state_up=False)]),
        replace(balancer, listeners=[replace(listener, allowed_cidrs=["10.0.0.0/8"], connection_limit=10)]),
        replace(balancer, listeners=[replace(listener, admin_state_up=False)]),
        replace(balancer, admin_state_up=False),
    ):
        await balancing_driver.ensure_load_balancer(changed)

        assert (await balancing_driver.traffic_by_listener_id(balancer.id)).keys() == {listener.id}


async def test_the_machines_of_a_load_balancer_are_replaced(driver: Compute) -> None:
    balancing_driver, balancer = await require_balancing(driver), await new_load_balancer(driver)
    await balancing_driver.ensure_load_balancer(balancer)

    await call_twice(balancing_driver.ensure_load_balancer, replace(balancer, machine_generation=2))
    await call_twice(balancing_driver.ensure_load_balancer, replace(balancer, flavor_name=FLAVORS[1]))

    assert (await balancing_driver.traffic_by_listener_id(balancer.id)).keys() == {balancer.listeners[0].id}


async def test_counters_are_those_of_the_listeners_and_never_decrease(driver: Compute, make_driver: MakeDriver) -> None:
    """Changes, other machines and another start of the control plane reset no counter."""
    balancing_driver, balancer = await require_balancing(driver), await new_load_balancer(driver)
    (listener,) = balancer.listeners
    further = replace(listener, id=new_id(), protocol_port=8080)
    previous = (0, 0, 0, 0)
    for changed in (
        balancer,
        replace(balancer, listeners=[listener, further]),
        replace(balancer, listeners=[replace(listener, admin_state_up=False), further]),
        replace(balancer, machine_generation=2),
    ):
        await balancing_driver.ensure_load_balancer(changed)
        next_driver = await make_driver()
        traffic = await next_driver.traffic_by_listener_id(balancer.id)
        active_connections, *totals = astuple(traffic[listener.id])

        assert traffic.keys() == {listener.id for listener in changed.listeners}
        assert active_connections >= 0
        assert all(now >= before for now, before in zip(totals, previous, strict=True))
        previous = tuple(totals)


async def test_a_load_balancer_that_does_not_exist_has_no_counters_and_no_samples(driver: Compute) -> None:
    """It may be in a list while its creation has just begun."""
    balancing_driver = await require_balancing(driver)

    assert await balancing_driver.traffic_by_listener_id(new_id()) == {}
    with pytest.raises(DriverError):
        await balancing_driver.load_balancer_samples(new_id(), 0, HOUR, 5)


async def test_the_samples_of_a_load_balancer_are_those_of_the_period(driver: Compute) -> None:
    balancing_driver, balancer = await require_balancing(driver), await new_load_balancer(driver)
    await balancing_driver.ensure_load_balancer(balancer)

    samples = await balancing_driver.load_balancer_samples(balancer.id, HOUR, 2 * HOUR, 5)

    times = [sample.time for sample in samples]
    assert times == sorted(times)
    assert len(times) <= 5
    assert all(HOUR <= time <= 2 * HOUR for time in times)


async def test_members_are_observed_as_long_as_they_exist(driver: Compute) -> None:
    balancing_driver, observer = await require_balancing(driver), require_capability(driver, ObservesMembers)
    balancer = await new_load_balancer(driver)
    member_ids = {member.id for member in balancer.members}

    assert await observer.member_statuses([balancer.id]) == {}
    await balancing_driver.ensure_load_balancer(balancer)
    statuses = await observer.member_statuses([balancer.id, new_id()])
    await balancing_driver.ensure_no_load_balancer(balancer.id)

    assert statuses.keys() == member_ids
    assert set(statuses.values()) <= set(OperatingStatus)
    assert await observer.member_statuses([balancer.id]) == {}


async def test_a_driver_balances_what_it_offers(driver: Compute) -> None:
    """Listeners that terminate TLS, and those for Prometheus, have no pool of their own protocol."""
    balancing_driver, limits = await require_balancing(driver), require_capability(driver, LimitsLoadBalancers)
    choices, balancer = limits.load_balancer_choices(), await new_load_balancer(driver)
    (listener,), (pool,), (monitor,) = balancer.listeners, balancer.pools, balancer.health_monitors
    protocols = sorted(choices.listener_protocols & choices.pool_protocols)

    assert protocols
    for number, protocol in enumerate(protocols):
        listeners = [replace(listener, protocol=protocol, protocol_port=1000 + number)]
        pools = [replace(pool, protocol=protocol)]
        await balancing_driver.ensure_load_balancer(
            replace(balancer, listeners=listeners, pools=pools, l7_policies=[], l7_rules=[])
        )
    for monitor_type in sorted(choices.monitor_types):
        protocol = "UDP" if monitor_type == "UDP-CONNECT" else "HTTP"
        await balancing_driver.ensure_load_balancer(
            replace(
                balancer,
                listeners=[replace(listener, protocol=protocol)],
                pools=[replace(pool, protocol=protocol)],
                health_monitors=[replace(monitor, type=monitor_type)],
                l7_policies=[],
                l7_rules=[],
            )
        )


async def require_balancing(driver: Compute) -> SupportsLoadBalancers:
    """Return the driver as one that balances; skips the test if it does not, or cannot on this host."""
    balancing_driver: SupportsLoadBalancers = require_capability(driver, SupportsLoadBalancers)
    missing = await driver.find_missing_load_balancers() if isinstance(driver, DetectsLoadBalancers) else None
    if missing:
        pytest.skip(missing)
    obstacle = await driver.find_load_balancer_obstacle() if isinstance(driver, LimitsLoadBalancers) else None
    if obstacle:
        pytest.skip(obstacle)
    return balancing_driver


async def new_load_balancer(driver: Compute) -> LoadBalancerSpec:
    """Return a load balancer with a part of each kind and two members, in a new network."""
    network_id = await create_network_with_subnet(driver)
    pool_id, listener_id, policy_id = new_id(), new_id(), new_id()
    return LoadBalancerSpec(
        id=new_id(),
        client_id=1,
        region_id=1,
        flavor_name=FLAVORS[0],
        machine_generation=1,
        admin_state_up=True,
        vip=new_nic(network_id, "00:16:3e:00:00:07", "10.0.0.7"),
        machines=[new_nic(network_id, f"00:16:3e:00:00:0{last}", f"10.0.0.{last}") for last in (8, 9)],
        listeners=[new_listener(id=listener_id, default_pool_id=pool_id)],
        pools=[PoolSpec(id=pool_id, protocol="HTTP", lb_algorithm="ROUND_ROBIN", admin_state_up=True)],
        members=[new_member(pool_id, f"10.0.0.{last}") for last in (11, 12)],
        health_monitors=[new_monitor(pool_id)],
        l7_policies=[
            L7PolicySpec(id=policy_id, listener_id=listener_id, action="REJECT", position=1, admin_state_up=True)
        ],
        l7_rules=[
            L7RuleSpec(
                id=new_id(),
                l7_policy_id=policy_id,
                type="PATH",
                compare_type="STARTS_WITH",
                value="/admin",
                admin_state_up=True,
            )
        ],
    )


def without_parts(balancer: LoadBalancerSpec) -> LoadBalancerSpec:
    """Return a load balancer without its parts."""
    return replace(balancer, listeners=[], pools=[], members=[], health_monitors=[], l7_policies=[], l7_rules=[])


def new_listener(**changes: Any) -> ListenerSpec:
    """Return an HTTP listener on port 80."""
    fields: dict[str, Any] = {
        "protocol": "HTTP",
        "protocol_port": 80,
        "admin_state_up": True,
        "connection_limit": 1000,
        "timeout_client_data": 50_000,
        "timeout_member_connect": 5_000,
        "timeout_member_data": 50_000,
    }
    return ListenerSpec(**(fields | changes))


def new_member(pool_id: str, address: str) -> MemberSpec:
    """Return a member of a pool."""
    return MemberSpec(
        id=new_id(), pool_id=pool_id, address=address, protocol_port=80, admin_state_up=True, weight=1, backup=False
    )


def new_monitor(pool_id: str) -> HealthMonitorSpec:
    """Return the monitor of a pool."""
    return HealthMonitorSpec(
        id=new_id(), pool_id=pool_id, type="TCP", admin_state_up=True, delay=10, timeout=5, max_retries=2,
        max_retries_down=3,
    )  # fmt: skip


def new_id() -> str:
    """Return a new id."""
    return str(uuid.uuid4())
