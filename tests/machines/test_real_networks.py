"""Test which machines can reach each other: over routers, by floating IPs, and within security groups."""

from gcore import Gcore

from tests.machines.real import RealCloud


def subnet_interface(network_id: str, subnet_id: str) -> dict[str, object]:
    """Return the fields that order an interface in a subnet."""
    return {"interfaces": [{"type": "subnet", "network_id": network_id, "subnet_id": subnet_id}]}


def address_of(client: Gcore, instance_id: str) -> str:
    """Return the fixed address of an instance."""
    addresses = client.cloud.instances.get(instance_id=instance_id).addresses
    (address,) = [
        address.addr
        for network_addresses in addresses.values()
        for address in network_addresses
        if address.type == "fixed"
    ]
    return address


def greeting(address: str) -> str:
    """Return a shell command that prints the greeting of an SSH server."""
    return f"nc -w 5 {address} 22 < /dev/null | head -c 7"


def test_routers_connect_networks_and_floating_ips_reach_them(real: RealCloud, client: Gcore) -> None:
    left = client.cloud.networks.create_and_poll(name="left", create_router=True)
    right = client.cloud.networks.create_and_poll(name="right", create_router=False)
    near = client.cloud.networks.subnets.create_and_poll(
        name="left", cidr="10.8.0.0/24", network_id=left.id, connect_to_network_router=True
    )
    far = client.cloud.networks.subnets.create_and_poll(
        name="right", cidr="10.9.0.0/24", network_id=right.id, connect_to_network_router=False
    )
    (router,) = [
        router
        for router in client.cloud.networks.routers.list()
        if any(interface.network_id == left.id for interface in router.interfaces)
    ]
    client.cloud.networks.routers.attach_subnet(router_id=router.id, subnet_id=far.id)
    left_id = real.order(client, "one", **subnet_interface(left.id, near.id))
    right_id = real.order(client, "other", **subnet_interface(right.id, far.id))
    external_id = real.order(client, "outer")
    (port,) = client.cloud.instances.interfaces.list(instance_id=left_id).results
    floating = client.cloud.floating_ips.create_and_poll(
        port_id=port.port_id, fixed_ip_address=address_of(client, left_id)
    )
    floating_ip = floating.floating_ip_address

    assert real.ssh(left_id, greeting(address_of(client, right_id))) == "SSH-2.0"
    assert "0% packet loss" in real.ssh(right_id, f"ping -c 2 -W 5 {address_of(client, left_id)}")
    assert real.ssh(external_id, greeting(floating_ip)) == "SSH-2.0"
    assert real.ssh(right_id, greeting(floating_ip)) == "SSH-2.0"
    assert "0% packet loss" in real.ssh(external_id, f"ping -c 2 -W 5 {floating_ip}")
    assert real.ssh(left_id, greeting(address_of(client, external_id))) == "SSH-2.0"
    assert real.ssh(external_id, f"{greeting(address_of(client, right_id))} || true") == ""

    client.cloud.floating_ips.update_and_poll(floating_ip_id=floating.id, port_id=None)
    assert real.ssh(external_id, f"{greeting(floating_ip)} || true") == ""
    for instance_id in (left_id, right_id, external_id):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_a_virtual_ip_is_reached_over_routers_and_by_its_floating_ip(real: RealCloud, client: Gcore) -> None:
    left = client.cloud.networks.create_and_poll(name="left", create_router=True)
    right = client.cloud.networks.create_and_poll(name="right", create_router=False)
    near = client.cloud.networks.subnets.create_and_poll(
        name="left", cidr="10.82.0.0/24", network_id=left.id, connect_to_network_router=True
    )
    far = client.cloud.networks.subnets.create_and_poll(
        name="right", cidr="10.83.0.0/24", network_id=right.id, connect_to_network_router=False
    )
    routers = client.cloud.networks.routers.list()
    router_id = next(router.id for router in routers if any(nic.network_id == left.id for nic in router.interfaces))
    client.cloud.networks.routers.attach_subnet(router_id=router_id, subnet_id=far.id)
    first_id, second_id = (real.order(client, name, **subnet_interface(left.id, near.id)) for name in ("one", "two"))
    right_id, external_id = real.order(client, "right", **subnet_interface(right.id, far.id)), real.order(client, "out")
    vip = client.cloud.reserved_fixed_ips.create_and_poll(
        type="ip_address", network_id=left.id, ip_address="10.82.0.50", is_vip=True
    )
    ports = [
        client.cloud.instances.interfaces.list(instance_id=holder).results[0].port_id
        for holder in (first_id, second_id)
    ]
    client.cloud.reserved_fixed_ips.vip.connected_ports.replace(port_id=vip.port_id, port_ids=ports)
    floating = client.cloud.floating_ips.create_and_poll(port_id=vip.port_id, fixed_ip_address="10.82.0.50")

    for holder, other in ((first_id, second_id), (second_id, first_id)):
        real.ssh(other, "ip address del 10.82.0.50/24 dev eth0 || true")
        real.ssh(holder, "ip address add 10.82.0.50/24 dev eth0; arping -U -c 1 -I eth0 10.82.0.50")
        for sender, address in (
            (other, "10.82.0.50"), (right_id, "10.82.0.50"), (external_id, floating.floating_ip_address)
        ):  # fmt: skip
            assert " 0% packet loss" in real.ssh(sender, f"ping -c 2 -W 5 {address}")
            assert real.ssh(sender, greeting(address)) == "SSH-2.0"
    for instance_id in (first_id, second_id, right_id, external_id):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_security_groups_decide_what_machines_of_a_network_reach(real: RealCloud, client: Gcore) -> None:
    network = client.cloud.networks.create_and_poll(name="inside", create_router=False)
    subnet = client.cloud.networks.subnets.create_and_poll(
        name="inside", cidr="10.7.0.0/24", network_id=network.id, connect_to_network_router=False
    )
    inside = {"interfaces": [{"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}]}
    client_id, server_id = real.order(client, "one", **inside), real.order(client, "other", **inside)
    assert "<h1>other</h1>" in real.ssh(server_id, "httpd -p 8081 -h /var/www; wget -qO- http://127.0.0.1:8081/")
    addresses = client.cloud.instances.get(instance_id=server_id).addresses
    address = next(item.addr for network_addresses in addresses.values() for item in network_addresses)

    assert "0% packet loss" in real.ssh(client_id, f"ping -c 2 -W 5 {address}")
    assert real.ssh(client_id, f"nc -w 5 {address} 22 < /dev/null | head -c 7") == "SSH-2.0"
    assert "closed" in real.ssh(client_id, f"timeout 5 wget -qO- http://{address}:8081/ || echo closed")
    link_local = real.ssh(server_id, "ip -6 -o address show dev eth0 scope link").split()[3].partition("/")[0]
    assert real.ssh(client_id, f"nc -w 5 {link_local}%eth0 22 < /dev/null | head -c 7") == "SSH-2.0"
    assert "closed" in real.ssh(client_id, f"nc -w 5 {link_local}%eth0 8081 < /dev/null || echo closed")
    for instance_id in (client_id, server_id):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)
