"""Machines of a disk without a system, which need no processor time, and the tasks that create and delete them."""

import time
from typing import Any

from gcore import APIConnectionError, Gcore, InternalServerError
from gcore.types.cloud import Task
from msgspec import Struct

from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.openstack.names import engine_name
from tests.machines.real import until
from tests.openstack.engine import Engine
from tests.openstack.installations import SMALL

BLANK = derive_public_image_id(1, "blank")
TASK_SECONDS = 600.0
"""Seconds in which each task ends after a failure is over."""
ENDED = ("FINISHED", "ERROR")


class Stage(Struct, frozen=True):
    """The network of all machines."""

    network_id: str
    subnet_id: str

    @property
    def interface(self) -> dict[str, Any]:
        """The order of an interface in it."""
        return {"type": "subnet", "network_id": self.network_id, "subnet_id": self.subnet_id}


def create_stage(client: Gcore, cidr: str = "10.8.0.0/24") -> Stage:
    """Create a network with a router, so that its machines can have floating IPs."""
    network = client.cloud.networks.create_and_poll(name="inside", create_router=True)
    subnet = client.cloud.networks.subnets.create_and_poll(
        name="inside", cidr=cidr, network_id=network.id, connect_to_network_router=True
    )
    return Stage(network.id, subnet.id)


def wait_until_idle(client: Gcore) -> None:
    """Wait until no task is unfinished, such as the repair of what a test has changed."""
    until(lambda: not client.cloud.tasks.list(state=["NEW", "RUNNING"]).results, TASK_SECONDS)


def delete_stage(client: Gcore, stage: Stage) -> None:
    """Delete the network and its router."""
    wait_until_idle(client)
    for router in client.cloud.networks.routers.list():
        for interface in router.interfaces:
            for address in interface.ip_assignments:
                client.cloud.networks.routers.detach_subnet(router_id=router.id, subnet_id=address.subnet_id)
        (task_id,) = client.cloud.networks.routers.delete(router_id=router.id).tasks
        finish(client, task_id)
    (task_id,) = client.cloud.networks.delete(network_id=stage.network_id).tasks
    finish(client, task_id)


def begin_creation(client: Gcore, stage: Stage, name: str = "web", *, is_public: bool = False) -> str:
    """Order a machine, and return the task."""
    interface = stage.interface | ({"floating_ip": {"source": "new"}} if is_public else {})
    volume: Any = {"source": "image", "image_id": BLANK, "size": 1, "boot_index": 0}
    interfaces: Any = [interface]
    answer = client.cloud.instances.create(name=name, flavor=SMALL, interfaces=interfaces, volumes=[volume])
    return answer.tasks[0]


def wait_for_end(client: Gcore, task_id: str, seconds: float = TASK_SECONDS) -> Task:
    """Wait until a task has ended, also while its server is away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            task = client.cloud.tasks.get(task_id=task_id)
        except (APIConnectionError, InternalServerError):
            task = None
        if task is not None and task.state in ENDED:
            return task
        assert time.monotonic() < deadline, task
        time.sleep(0.5)


def finish(client: Gcore, task_id: str) -> Task:
    """Wait until a task has finished, and return it."""
    task = wait_for_end(client, task_id)
    assert task.state == "FINISHED", task.error
    return task


def finish_creation(client: Gcore, task_id: str) -> str:
    """Wait until an instance is created, and return its id."""
    created = finish(client, task_id).created_resources
    assert created is not None
    (instance_id,) = created.instances or []
    return instance_id


def delete_instance(client: Gcore, instance_id: str) -> None:
    """Delete an instance with all that was created with it, when no task repairs its parts any more."""
    wait_until_idle(client)
    volumes = ",".join(volume.id for volume in client.cloud.instances.get(instance_id=instance_id).volumes)
    answer = client.cloud.instances.delete(instance_id=instance_id, volumes=volumes, delete_floatings=True)
    finish(client, answer.tasks[0])


def count_parts(client: Gcore, engine: Engine, instance_id: str) -> dict[str, int]:
    """Return how many servers, volumes and ports OpenStack has for an instance."""
    instance = client.cloud.instances.get(instance_id=instance_id)
    (interface,) = client.cloud.instances.interfaces.list(instance_id=instance_id).results
    (volume,) = instance.volumes
    return {
        "servers": len(engine.find_all("servers", tags=engine_name(instance_id))),
        "volumes": len(engine.find_all("volumes", name=engine_name(volume.id))),
        "ports": len(engine.find_all("ports", name=engine_name(str(interface.port_id)))),
    }


ONE_OF_EACH = {"servers": 1, "volumes": 1, "ports": 1}
