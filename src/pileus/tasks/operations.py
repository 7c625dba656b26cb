"""The registry of all operations."""

from typing import Any

from pileus.tasks.account import projects
from pileus.tasks.compute import images, instances, placement_groups, power_actions
from pileus.tasks.load_balancers import listeners, load_balancers, pools
from pileus.tasks.network import (
    ddos_profiles,
    floating_ips,
    interfaces,
    networks,
    ports,
    reserved_fixed_ips,
    routers,
    secrets,
    security_groups,
    subnets,
)
from pileus.tasks.operation import Operation, Operations
from pileus.tasks.storage import file_shares, snapshots, volumes

_ALL: tuple[Operation[Any], ...] = (
    *projects.OPERATIONS,
    *instances.OPERATIONS,
    *power_actions.OPERATIONS,
    *placement_groups.OPERATIONS,
    *images.OPERATIONS,
    *volumes.OPERATIONS,
    *snapshots.OPERATIONS,
    *file_shares.OPERATIONS,
    *networks.OPERATIONS,
    *subnets.OPERATIONS,
    *routers.OPERATIONS,
    *interfaces.OPERATIONS,
    *ports.OPERATIONS,
    *floating_ips.OPERATIONS,
    *reserved_fixed_ips.OPERATIONS,
    *security_groups.OPERATIONS,
    *secrets.OPERATIONS,
    *ddos_profiles.OPERATIONS,
    *load_balancers.OPERATIONS,
    *listeners.OPERATIONS,
    *pools.OPERATIONS,
)
OPERATIONS: Operations = {operation.task_type.name: operation for operation in _ALL}
