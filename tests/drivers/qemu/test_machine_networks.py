"""Test what a real guest gets from its network."""

from pileus.domain.network.networks import Route
from pileus.drivers.protocols.network import NetworkSpec, SubnetSpec
from pileus.drivers.qemu.driver import Qemu
from tests.drivers.qemu.conftest import a_nic, a_system


async def test_a_guest_gets_its_address_in_a_subnet_with_many_routes_and_name_servers(qemu: Qemu) -> None:
    await qemu.ensure_network(NetworkSpec(id="n-1", name="n", region_id=1, type="vxlan", mtu=1450))
    subnet = SubnetSpec(
        id="s-1",
        network_id="n-1",
        cidr="10.80.0.0/24",
        gateway_ip="10.80.0.1",
        dns_nameservers=[f"192.0.2.{number}" for number in range(100)],
        host_routes=[Route(f"10.100.{number}.0/24", "10.80.0.9") for number in range(200)],
    )
    await qemu.ensure_subnet(subnet)

    machine = await a_system(qemu, nics=[a_nic(network_id="n-1", addresses=["10.80.0.5"], groups=[])])

    assert b"addresses  10.80.0.5" in await qemu.read_serial_log_end(machine.id, 1 << 20)
