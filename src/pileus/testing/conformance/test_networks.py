"""Conformance of interfaces, networks, routers, floating IPs and security groups, if they are implemented."""

import uuid

import pytest
from msgspec.structs import replace

from pileus.domain.catalogue import derive_external_network_id
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import SupportsRouterMetrics
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
    SupportsDdosProtection,
    SupportsFloatingIPs,
    SupportsInterfaces,
    SupportsNetworks,
    SupportsRouters,
    SupportsSecurityGroups,
)
from pileus.testing.conformance.helpers import (
    HOUR,
    call_twice,
    create_network_with_subnet,
    new_machine,
    new_nic,
    require_capability,
    run_operating_system,
)

EXTERNAL_NETWORK = "pub_net"
"""The external network of the built-in catalogue."""
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_interface_life_cycle(driver: Compute, system_image_id: str | None) -> None:
    interface_driver, machine = (
        require_capability(driver, SupportsInterfaces),
        await run_operating_system(driver, system_image_id),
    )
    nic = new_nic(await create_network_with_subnet(driver), "00:16:3e:00:00:01", "10.0.0.5")

    await call_twice(interface_driver.ensure_interface, machine.id, nic)
    await call_twice(interface_driver.ensure_no_interface, machine.id, nic.port_id)
    await call_twice(interface_driver.ensure_interface, machine.id, nic)
    await driver.ensure_no_machine(machine.id)
    await call_twice(interface_driver.ensure_no_interface, machine.id, nic.port_id)


async def test_network_life_cycle(driver: Compute) -> None:
    network_driver, network_id, subnet_id = (
        require_capability(driver, SupportsNetworks),
        str(uuid.uuid4()),
        str(uuid.uuid4()),
    )
    network = NetworkSpec(id=network_id, name="inside", region_id=1, type="vxlan", mtu=1450)
    subnet = SubnetSpec(id=subnet_id, network_id=network_id, cidr="10.0.0.0/24", gateway_ip="10.0.0.1")

    with pytest.raises(DriverError):
        await network_driver.ensure_subnet(subnet)
    await call_twice(network_driver.ensure_network, network)
    await call_twice(network_driver.ensure_subnet, subnet)
    await call_twice(network_driver.ensure_subnet, replace(subnet, enable_dhcp=False))
    await call_twice(network_driver.ensure_no_subnet, subnet_id)
    await call_twice(network_driver.ensure_no_network, network_id)


async def test_routers_get_and_lose_interfaces(driver: Compute) -> None:
    router_driver, router = (
        require_capability(driver, SupportsRouters),
        RouterSpec(id=str(uuid.uuid4()), name="crossing"),
    )
    nic = new_nic(await create_network_with_subnet(driver), "00:16:3e:00:00:02", "10.0.0.1")

    with pytest.raises(DriverError):
        await router_driver.ensure_router_interface(router.id, nic)
    await call_twice(router_driver.ensure_router, router)
    await call_twice(router_driver.ensure_router_interface, router.id, nic)
    await call_twice(router_driver.ensure_no_router_interface, router.id, nic.port_id)
    await call_twice(router_driver.ensure_router_interface, router.id, nic)
    await call_twice(router_driver.ensure_no_router, router.id)


async def test_floating_ip_life_cycle(driver: Compute) -> None:
    """A floating IP moves from the port of a machine to a virtual IP, whose port is at no machine."""
    floating_ip_driver, machine = require_capability(driver, SupportsFloatingIPs), new_machine()
    network_id = await create_network_with_subnet(driver)
    await _connect_to_external_network(driver, network_id)
    nic = new_nic(network_id, "00:16:3e:00:00:05", "10.0.0.5")
    await driver.ensure_running_machine(machine)
    if isinstance(driver, SupportsInterfaces):
        await driver.ensure_interface(machine.id, nic)
    floating_ip = FloatingIPSpec(
        id=str(uuid.uuid4()),
        region_id=1,
        ip_address="198.18.0.9",
        port_id=nic.port_id,
        fixed_ip_address="10.0.0.5",
    )
    virtual_ip = replace(floating_ip, port_id=str(uuid.uuid4()), fixed_ip_address="10.0.0.7", network_id=network_id)

    await call_twice(floating_ip_driver.ensure_floating_ip, floating_ip)
    await call_twice(floating_ip_driver.ensure_floating_ip, virtual_ip)
    await call_twice(floating_ip_driver.ensure_floating_ip, floating_ip)
    await call_twice(floating_ip_driver.ensure_no_floating_ip, floating_ip.id)


async def _connect_to_external_network(driver: Compute, network_id: str) -> None:
    """Create a router between a network and the external network of the catalogue, if the driver has routers."""
    if isinstance(driver, SupportsRouters):
        outside = new_nic(derive_external_network_id(1, EXTERNAL_NETWORK), "00:16:3e:00:00:03", "198.18.0.7")
        router = RouterSpec(id=str(uuid.uuid4()), name="crossing", outside=outside)
        await driver.ensure_router(router)
        await driver.ensure_router_interface(router.id, new_nic(network_id, "00:16:3e:00:00:02", "10.0.0.1"))


async def test_security_groups_have_exactly_the_rules_that_were_set(driver: Compute) -> None:
    group_driver, group_id = require_capability(driver, SupportsSecurityGroups), str(uuid.uuid4())
    ssh = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)

    await call_twice(group_driver.ensure_security_group, SecurityGroupSpec(id=group_id, name="web", rules=[ssh]))
    await call_twice(group_driver.ensure_security_group, SecurityGroupSpec(id=group_id, name="web"))
    await call_twice(group_driver.ensure_no_security_group, group_id)


async def test_ddos_protection_life_cycle(driver: Compute) -> None:
    ddos_driver = require_capability(driver, SupportsDdosProtection)

    await call_twice(ddos_driver.ensure_ddos_protection, 1, "203.0.113.7", active=True)
    await call_twice(ddos_driver.ensure_ddos_protection, 1, "203.0.113.7", active=False)
    await call_twice(ddos_driver.ensure_no_ddos_protection, 1, "203.0.113.7")


async def test_the_traffic_of_a_router_is_measured_for_each_of_its_interfaces(driver: Compute) -> None:
    metrics_driver, router = (
        require_capability(driver, SupportsRouterMetrics),
        RouterSpec(id=str(uuid.uuid4()), name="crossing"),
    )
    router_driver = require_capability(driver, SupportsRouters)
    inner = new_nic("n-1", "00:16:3e:00:00:02", "10.0.0.1")
    outer = replace(inner, port_id=str(uuid.uuid4()), network_id="n-2", addresses=["198.18.0.7"])

    with pytest.raises(DriverError):
        await metrics_driver.router_traffic_by_port_id(router.id, 0, HOUR, 5)
    await router_driver.ensure_router(replace(router, outside=outer))
    await router_driver.ensure_router_interface(router.id, inner)
    traffic = await metrics_driver.router_traffic_by_port_id(router.id, HOUR, 2 * HOUR, 5)

    assert traffic.keys() == {inner.port_id, outer.port_id}
    for samples in traffic.values():
        times = [sample.time for sample in samples]
        assert times == sorted(times)
        assert 0 < len(times) <= 5
        assert all(HOUR <= time <= 2 * HOUR for time in times)
        assert all(sample.bits_in >= 0 and sample.packets_out >= 0 for sample in samples)
