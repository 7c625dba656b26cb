"""What machines reach: each other, over routers, by floating IPs, and as far as their groups let them."""

from gcore import Gcore

from tests.machines.real import Real


def within(network_id: str, subnet_id: str) -> dict[str, object]:
    """What orders a machine in a subnet."""
    return {"interfaces": [{"type": "subnet", "network_id": network_id, "subnet_id": subnet_id}]}


def address_of(client: Gcore, instance_id: str) -> str:
    """A machine's own address, not what leads to it."""
    shown = client.cloud.instances.get(instance_id=instance_id).addresses
    (address,) = [each.addr for its in shown.values() for each in its if each.type == "fixed"]
    return address


def greeting(address: str) -> str:
    """A command that says how an SSH server greets."""
    return f"nc -w 5 {address} 22 < /dev/null | head -c 7"


def test_routers_join_networks_and_floating_ips_lead_into_them(real: Real, client: Gcore) -> None:
    left = client.cloud.networks.create_and_poll(name="left", create_router=True)
    right = client.cloud.networks.create_and_poll(name="right", create_router=False)
    near = client.cloud.networks.subnets.create_and_poll(
        name="left", cidr="10.8.0.0/24", network_id=left.id, connect_to_network_router=True
    )
    far = client.cloud.networks.subnets.create_and_poll(
        name="right", cidr="10.9.0.0/24", network_id=right.id, connect_to_network_router=False
    )
    (router,) = [
        each
        for each in client.cloud.networks.routers.list()
        if any(its.network_id == left.id for its in each.interfaces)
    ]
    client.cloud.networks.routers.attach_subnet(router_id=router.id, subnet_id=far.id)
    one = real.order(client, "one", **within(left.id, near.id))
    other = real.order(client, "other", **within(right.id, far.id))
    outer = real.order(client, "outer")
    (port,) = client.cloud.instances.interfaces.list(instance_id=one).results
    floating = client.cloud.floating_ips.create_and_poll(port_id=port.port_id, fixed_ip_address=address_of(client, one))
    reached = floating.floating_ip_address

    assert real.ssh(one, greeting(address_of(client, other))) == "SSH-2.0"
    assert "0% packet loss" in real.ssh(other, f"ping -c 2 -W 5 {address_of(client, one)}")
    assert real.ssh(outer, greeting(reached)) == "SSH-2.0"
    assert real.ssh(other, greeting(reached)) == "SSH-2.0"
    assert "0% packet loss" in real.ssh(outer, f"ping -c 2 -W 5 {reached}")
    assert real.ssh(one, greeting(address_of(client, outer))) == "SSH-2.0"
    assert real.ssh(outer, f"{greeting(address_of(client, other))} || true") == ""

    client.cloud.floating_ips.update_and_poll(floating_ip_id=floating.id, port_id=None)
    assert real.ssh(outer, f"{greeting(reached)} || true") == ""
    for instance_id in (one, other, outer):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_machines_of_a_network_reach_each_other_as_far_as_their_groups_let_them(real: Real, client: Gcore) -> None:
    network = client.cloud.networks.create_and_poll(name="inside", create_router=False)
    subnet = client.cloud.networks.subnets.create_and_poll(
        name="inside", cidr="10.7.0.0/24", network_id=network.id, connect_to_network_router=False
    )
    inside = {"interfaces": [{"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}]}
    one, other = real.order(client, "one", **inside), real.order(client, "other", **inside)
    assert "<h1>other</h1>" in real.ssh(other, "httpd -p 8081 -h /var/www; wget -qO- http://127.0.0.1:8081/")
    addresses = client.cloud.instances.get(instance_id=other).addresses
    address = next(each.addr for its in addresses.values() for each in its)

    assert "0% packet loss" in real.ssh(one, f"ping -c 2 -W 5 {address}")
    assert real.ssh(one, f"nc -w 5 {address} 22 < /dev/null | head -c 7") == "SSH-2.0"
    assert "closed" in real.ssh(one, f"timeout 5 wget -qO- http://{address}:8081/ || echo closed")
    link_local = real.ssh(other, "ip -6 -o address show dev eth0 scope link").split()[3].partition("/")[0]
    assert real.ssh(one, f"nc -w 5 {link_local}%eth0 22 < /dev/null | head -c 7") == "SSH-2.0"
    assert "closed" in real.ssh(one, f"nc -w 5 {link_local}%eth0 8081 < /dev/null || echo closed")
    for instance_id in (one, other):
        client.cloud.instances.delete_and_poll(instance_id=instance_id)
