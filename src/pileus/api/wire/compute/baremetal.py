"""Bare metal servers and their capacity."""

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.compute.flavors import InstanceFlavorView
from pileus.api.wire.compute.instances import (
    FixedIpAssignment,
    InstanceAddressView,
    InstanceIsolation,
    InstanceSecurityGroup,
    InstanceView,
    InstanceVolume,
)
from pileus.api.wire.network.ddos_profiles import BlackholePortView, DdosProfileView
from pileus.api.wire.tags import TagView


class ServerView(Struct, kw_only=True):
    """A bare metal server; `task_id` is the task that has locked it, `creator_task_id` the task that created it."""

    id: str
    name: str
    status: str
    vm_state: str
    task_state: str | None
    flavor: InstanceFlavorView
    addresses: dict[str, list[InstanceAddressView]]
    fixed_ip_assignments: list[FixedIpAssignment] | None
    ssh_key_name: str | None
    tags: list[TagView]
    blackhole_ports: list[BlackholePortView]
    ddos_profile: DdosProfileView | None
    instance_isolation: InstanceIsolation | None
    region: str
    region_id: int
    project_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str

    @classmethod
    def of(cls, view: InstanceView) -> "ServerView":
        """Keep those fields of an instance that a bare metal server has."""
        return make_view(cls, view)


class LegacyServerView(ServerView, kw_only=True):
    """A bare metal server with the fields that older clients read."""

    instance_description: str | None
    volumes: list[InstanceVolume]
    security_groups: list[InstanceSecurityGroup]
    instance_id: str
    instance_name: str
    instance_created: str
    keypair_name: str | None
    metadata: dict[str, str]
    metadata_detailed: list[TagView]


class ServerCapacity(Struct, kw_only=True):
    """The number of servers that can still be created, by flavor id; the API has no reservations."""

    capacity: dict[str, int]
    reserved_capacity: dict[str, int]
