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
from pileus.api.wire.legacy import LegacyField
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
    instance_description: LegacyField[str | None]
    volumes: LegacyField[list[InstanceVolume]]
    security_groups: LegacyField[list[InstanceSecurityGroup]]
    instance_id: LegacyField[str]
    instance_name: LegacyField[str]
    instance_created: LegacyField[str]
    keypair_name: LegacyField[str | None]
    metadata: LegacyField[dict[str, str]]
    metadata_detailed: LegacyField[list[TagView]]

    @classmethod
    def of(cls, view: InstanceView) -> "ServerView":
        """Keep those fields of an instance that a bare metal server has."""
        return make_view(cls, view)


class ServerCapacity(Struct, kw_only=True):
    """The number of servers that can still be created, by flavor id; the API has no reservations."""

    capacity: dict[str, int]
    reserved_capacity: dict[str, int]
