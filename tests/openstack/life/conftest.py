"""Two machines with the tiny guest on two hosts in one network, of which the first has a floating IP."""

from collections.abc import Iterator

import pytest
from gcore import Gcore
from gcore.types.cloud.networks import Router
from msgspec import Struct

from tests.machines.real import until
from tests.openstack.engine import read_page
from tests.openstack.installations import PATIENCE, Installation


class Machines(Struct, frozen=True):
    """The two machines, and how they are reached."""

    group_id: str
    web_id: str
    web_address: str
    floating_ip: str
    other_id: str
    other_address: str


@pytest.fixture(scope="package")
def machines(installation: Installation) -> Iterator[Machines]:
    """Create them by the official SDK; at the end delete everything, and check that OpenStack has nothing of it."""
    with installation.client() as client:
        network = client.cloud.networks.create_and_poll(name="inside", create_router=True)
        subnet = client.cloud.networks.subnets.create_and_poll(
            name="inside", cidr="10.7.0.0/24", network_id=network.id, connect_to_network_router=True
        )
        (group,) = client.cloud.security_groups.list(name="default").results
        open_port(client, group.id, 80)
        interface = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}
        public = {**interface, "floating_ip": {"source": "new"}}
        apart = client.cloud.placement_groups.create(name="apart", policy="anti-affinity").servergroup_id
        web_id = installation.order(client, "web", public, servergroup_id=apart)
        other_id = installation.order(client, "other", interface, servergroup_id=apart)
        machines = Machines(
            group_id=group.id,
            web_id=web_id,
            web_address=_address(client, web_id, "fixed"),
            floating_ip=_address(client, web_id, "floating"),
            other_id=other_id,
            other_address=_address(client, other_id, "fixed"),
        )
        until(lambda: read_page(machines.floating_ip), PATIENCE)
        yield machines
        for instance_id in (web_id, other_id):
            installation.delete(client, instance_id)
        client.cloud.placement_groups.delete(group_id=apart)
        for router in client.cloud.networks.routers.list():
            _delete_router(client, router)
        client.cloud.networks.delete_and_poll(network_id=network.id)
        assert installation.engine.list_remaining() == []


def open_port(client: Gcore, group_id: str, port: int) -> None:
    """Let everybody reach a TCP port of the machines in a group."""
    client.cloud.security_groups.rules.create(
        group_id=group_id,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=port,
        port_range_max=port,
    )


def _delete_router(client: Gcore, router: Router) -> None:
    for interface in router.interfaces:
        for address in interface.ip_assignments:
            client.cloud.networks.routers.detach_subnet(router_id=router.id, subnet_id=address.subnet_id)
    (task_id,) = client.cloud.networks.routers.delete(router_id=router.id).tasks
    client.cloud.tasks.poll(task_id=task_id)


def _address(client: Gcore, instance_id: str, kind: str) -> str:
    addresses = client.cloud.instances.get(instance_id=instance_id).addresses
    (address,) = [item.addr for items in addresses.values() for item in items if item.type == kind]
    return address
