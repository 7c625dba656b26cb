"""Records for each table of which the store keeps counts."""

from collections.abc import Callable
from typing import Any

from pileus.domain.compute.images import Image
from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.pools import Pool
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import Port
from pileus.domain.network.routers import Router
from pileus.domain.network.secrets import Secret, SecretPayload
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.storage.file_shares import FileShare
from pileus.domain.storage.schedules import Interval, Schedule
from pileus.domain.storage.volumes import Snapshot, Volume
from pileus.domain.tasks import Task
from pileus.store import tasks
from pileus.store.compute import images, instances, placement_groups, ssh_keys
from pileus.store.load_balancers import l7_policies, listeners, load_balancers, pools
from pileus.store.network import floating_ips, networks, ports, routers, secrets, security_groups, subnets
from pileus.store.rows import Table
from pileus.store.storage import file_shares, schedules, snapshots, volumes
from tests.domain.builders import an_instance
from tests.load_balancers import a_listener, a_load_balancer


def place_of(client_id: int) -> dict[str, Any]:
    return {"client_id": client_id, "project_id": client_id, "region_id": 1, "created_at": 0}


def stamped(client_id: int) -> dict[str, Any]:
    return {**place_of(client_id), "updated_at": 0}


def a_schedule(client_id: int, name: str) -> Schedule:
    return Schedule(
        id=name,
        timing=Interval(days=1),
        max_quantity=1,
        resource_name_template="s",
        user_id=1,
        lifecycle_policy_id=1,
        next_at=None,
        **place_of(client_id),
    )


def a_key(client_id: int, name: str) -> SSHKey:
    return SSHKey(
        id=name,
        client_id=client_id,
        project_id=client_id,
        user_id=1,
        name=name,
        public_key="",
        fingerprint="",
        created_at=0,
    )


Make = Callable[[int, str], Any]
TABLES: dict[str, tuple[Table[Any], Make, dict[str, Any]]] = {
    "instances": (
        instances.TABLE,
        lambda client_id, name: an_instance(**place_of(client_id), id=name),
        {"flavor_id": "g1-standard-2-4", "host": "rack-1"},
    ),
    "volumes": (
        volumes.TABLE,
        lambda client_id, name: Volume(id=name, name=name, size=10, **stamped(client_id)),
        {"size": 25},
    ),
    "snapshots": (
        snapshots.TABLE,
        lambda client_id, name: Snapshot(id=name, name=name, size=10, volume_id="v", **stamped(client_id)),
        {"size": 25},
    ),
    "images": (
        images.TABLE,
        lambda client_id, name: Image(id=name, name=name, os_distro="none", os_version="1", **stamped(client_id)),
        {"size": 25},
    ),
    "floating_ips": (
        floating_ips.TABLE,
        lambda client_id, name: FloatingIP(id=name, floating_ip_address=name, **stamped(client_id)),
        {"status": "ACTIVE"},
    ),
    "ports": (
        ports.TABLE,
        lambda client_id, name: Port(id=name, network_id="n", external=True, mac_address=name, **stamped(client_id)),
        {"external": False},
    ),
    "placement_groups": (
        placement_groups.TABLE,
        lambda client_id, name: PlacementGroup(id=name, name=name, policy="affinity", **place_of(client_id)),
        {"name": "renamed"},
    ),
    "security_groups": (
        security_groups.TABLE,
        lambda client_id, name: SecurityGroup(id=name, name=name, **stamped(client_id)),
        {"name": "renamed"},
    ),
    "file_shares": (
        file_shares.TABLE,
        lambda client_id, name: FileShare(id=name, name=name, size=10, type_name="vast", **stamped(client_id)),
        {"size": 25},
    ),
    "secrets": (
        secrets.TABLE,
        lambda client_id, name: Secret(
            id=name, name=name, secret_type="opaque", payload=SecretPayload(), **place_of(client_id)
        ),
        {"status": "ACTIVE"},
    ),
    "networks": (
        networks.TABLE,
        lambda client_id, name: Network(id=name, name=name, **stamped(client_id)),
        {"name": "renamed"},
    ),
    "subnets": (
        subnets.TABLE,
        lambda client_id, name: Subnet(
            id=name, name=name, network_id="n", cidr="10.0.0.0/24", ip_version=4, **stamped(client_id)
        ),
        {"name": "renamed"},
    ),
    "routers": (
        routers.TABLE,
        lambda client_id, name: Router(id=name, name=name, **stamped(client_id)),
        {"name": "renamed"},
    ),
    "load_balancers": (
        load_balancers.TABLE,
        lambda client_id, name: a_load_balancer(id=name, **stamped(client_id)),
        {"name": "renamed"},
    ),
    "listeners": (
        listeners.TABLE,
        lambda client_id, name: a_listener(id=name, **stamped(client_id)),
        {"name": "renamed"},
    ),
    "pools": (
        pools.TABLE,
        lambda client_id, name: Pool(
            id=name, name=name, load_balancer_id="b", protocol="TCP", lb_algorithm="ROUND_ROBIN", **stamped(client_id)
        ),
        {"name": "renamed"},
    ),
    "l7_policies": (
        l7_policies.TABLE,
        lambda client_id, name: L7Policy(
            id=name,
            name=name,
            load_balancer_id="b",
            listener_id="l",
            action="REJECT",
            position=1,
            **stamped(client_id),
        ),
        {"name": "renamed"},
    ),
    "schedules": (schedules.TABLE, a_schedule, {"max_quantity": 7}),
    "tasks": (
        tasks.TABLE,
        lambda client_id, name: Task(
            id=name,
            task_type="start_vm",
            state="RUNNING",
            client_id=client_id,
            user_id=1,
            project_id=client_id,
            region_id=1,
            lease_token="another",
            lease_until=2**60,
            queue=f"{client_id}/1",
            created_at=0,
        ),
        {"state": "FINISHED", "finished_at": 1},
    ),
    "ssh_keys": (ssh_keys.TABLE, a_key, {"shared_in_project": True}),
}
"""Each counted table, a function that makes a record of a tenant, and a change of the record."""
