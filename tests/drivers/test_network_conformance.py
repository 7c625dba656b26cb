"""What every driver does with networks, routers, floating IPs and security groups, as far as it knows them."""

import uuid

import pytest
from msgspec.structs import replace

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import (
    Compute,
    DriverError,
    FloatingIPs,
    FloatingIPSpec,
    Networks,
    NetworkSpec,
    Nic,
    Routers,
    RouterSpec,
    SecurityGroups,
    SecurityGroupSpec,
    SubnetSpec,
)  # fmt: skip
from pileus.drivers.protocols.metrics import RouterMetrics
from tests.drivers.conformance import able, twice

HOUR = 3_600_000_000


async def test_networks_are_made_changed_and_taken_away(driver: Compute) -> None:
    network_driver, network_id, subnet_id = able(driver, Networks), str(uuid.uuid4()), str(uuid.uuid4())
    network = NetworkSpec(id=network_id, name="inside", region_id=1, type="vxlan", mtu=1450)
    subnet = SubnetSpec(id=subnet_id, network_id=network_id, cidr="10.0.0.0/24", gateway_ip="10.0.0.1")

    with pytest.raises(DriverError):
        await network_driver.ensure_subnet(subnet)
    await twice(network_driver.ensure_network, network)
    await twice(network_driver.ensure_subnet, subnet)
    await twice(network_driver.ensure_subnet, replace(subnet, enable_dhcp=False))
    await twice(network_driver.ensure_no_subnet, subnet_id)
    await twice(network_driver.ensure_no_network, network_id)


async def test_routers_join_networks_and_let_go(driver: Compute) -> None:
    router_driver, router = able(driver, Routers), RouterSpec(id=str(uuid.uuid4()), name="crossing")
    nic = Nic(port_id=str(uuid.uuid4()), network_id="n-1", mac_address="00:16:3e:00:00:02", addresses=["10.0.0.1"])

    with pytest.raises(DriverError):
        await router_driver.ensure_router_interface(router.id, nic)
    await twice(router_driver.ensure_router, router)
    await twice(router_driver.ensure_router_interface, router.id, nic)
    await twice(router_driver.ensure_no_router_interface, router.id, nic.port_id)
    await twice(router_driver.ensure_no_router, router.id)


async def test_floating_ips_lead_and_stop_leading(driver: Compute) -> None:
    leader, address = able(driver, FloatingIPs), str(uuid.uuid4())
    leading = FloatingIPSpec(
        id=address, region_id=1, ip_address="198.18.0.9", port_id="p-1", fixed_ip_address="10.0.0.5"
    )

    await twice(leader.ensure_floating_ip, leading)
    await twice(leader.ensure_floating_ip, replace(leading, port_id="p-2"))
    await twice(leader.ensure_no_floating_ip, address)


async def test_security_groups_have_exactly_the_rules_that_they_are_told(driver: Compute) -> None:
    guard, group_id = able(driver, SecurityGroups), str(uuid.uuid4())
    ssh = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)

    await twice(guard.ensure_security_group, SecurityGroupSpec(id=group_id, name="web", rules=[ssh]))
    await twice(guard.ensure_security_group, SecurityGroupSpec(id=group_id, name="web"))
    await twice(guard.ensure_no_security_group, group_id)


async def test_what_passed_through_a_router_is_told_for_each_of_its_interfaces(driver: Compute) -> None:
    watcher, router = able(driver, RouterMetrics), RouterSpec(id=str(uuid.uuid4()), name="crossing")
    router_driver = able(driver, Routers)
    inner = Nic(port_id=str(uuid.uuid4()), network_id="n-1", mac_address="00:16:3e:00:00:02", addresses=["10.0.0.1"])
    outer = replace(inner, port_id=str(uuid.uuid4()), network_id="n-2", addresses=["198.18.0.7"])

    with pytest.raises(DriverError):
        await watcher.traffic(router.id, 0, HOUR, 5)
    await router_driver.ensure_router(replace(router, outside=outer))
    await router_driver.ensure_router_interface(router.id, inner)
    passed = await watcher.traffic(router.id, HOUR, 2 * HOUR, 5)

    assert passed.keys() == {inner.port_id, outer.port_id}
    for samples in passed.values():
        times = [sample.time for sample in samples]
        assert times == sorted(times)
        assert 0 < len(times) <= 5
        assert all(HOUR <= time <= 2 * HOUR for time in times)
        assert all(sample.bits_in >= 0 and sample.packets_out >= 0 for sample in samples)
