"""Answers that do not arrive: OpenStack has done the work, but Pileus cannot know that."""

from gcore import Gcore

from pileus.drivers.openstack.names import PREFIX
from tests.openstack.engine import Engine
from tests.openstack.failures.orders import (
    ONE_OF_EACH,
    Stage,
    begin_creation,
    count_parts,
    create_stage,
    delete_instance,
    finish,
    finish_creation,
)
from tests.openstack.failures.proxies import Proxy

LEAST_LOST = 12
"""The network, its subnet, router and interface, and of an instance the volume, port, server and floating IP."""


def test_nothing_is_doubled_when_the_first_answer_to_each_change_is_lost(
    client: Gcore, engine: Engine, proxy: Proxy, stage: Stage
) -> None:
    before = sorted(engine.list_remaining())
    proxy.loses_first_answers = True

    own = create_stage(client, "10.9.0.0/24")
    instance_id = finish_creation(client, begin_creation(client, own, is_public=True))

    assert count_parts(client, engine, instance_id) == ONE_OF_EACH
    names = engine.list_remaining()
    assert sorted(set(names)) == sorted(names)
    groups = engine.request("network", "GET", "/security-groups")["security_groups"]
    group_names = [group["name"] for group in groups if group["name"].startswith(PREFIX)]
    assert sorted(set(group_names)) == sorted(group_names)
    delete_instance(client, instance_id)
    _delete_network(client, own)
    assert len(proxy.lost) >= LEAST_LOST
    assert sorted(engine.list_remaining()) == before
    assert stage.network_id != own.network_id


def _delete_network(client: Gcore, stage: Stage) -> None:
    for router in client.cloud.networks.routers.list():
        if any(item.network_id == stage.network_id for item in router.interfaces):
            client.cloud.networks.routers.detach_subnet(router_id=router.id, subnet_id=stage.subnet_id)
            finish(client, client.cloud.networks.routers.delete(router_id=router.id).tasks[0])
    finish(client, client.cloud.networks.delete(network_id=stage.network_id).tasks[0])
