"""What exists of each kind, so that differences between the records and the driver are found."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pileus.drivers.protocols.abilities import AbilityMeta
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, SecurityGroupSpec


class InventoryKind(StrEnum):
    """The kinds of resources that an inventory lists. Machines have `SupportsMachineInventory`."""

    VOLUMES = "volumes"
    SNAPSHOTS = "snapshots"
    IMAGES = "images"
    NETWORKS = "networks"
    SUBNETS = "subnets"
    ROUTERS = "routers"
    SECURITY_GROUPS = "security_groups"
    FLOATING_IPS = "floating_ips"


@runtime_checkable
class SupportsInventory(Protocol, metaclass=AbilityMeta):
    """Knows what exists, so that what somebody has deleted is found, and made again if it holds no data."""

    async def list_resource_ids(self, kind: InventoryKind) -> AbstractSet[str]:
        """Return the ids of all resources of a kind that exist, in whatever state. Raises DriverError.

        What the catalogue provides, and what is not of this program, is left out.
        """


@runtime_checkable
class SupportsComparison(Protocol, metaclass=AbilityMeta):
    """Compares what exists with what should, so that what somebody has changed is set again. Raises DriverError."""

    async def list_changed_security_groups(self, groups: Sequence[SecurityGroupSpec]) -> AbstractSet[str]:
        """Return the ids of those groups that exist with another name or other rules."""

    async def list_changed_interfaces(self, interfaces: Mapping[str, tuple[str, NicSpec]]) -> AbstractSet[str]:
        """Return the ids of the ports that are not at their machine, or differ from what they should be.

        `interfaces` has the machine and the interface of each port. What has no idle machine is left out.
        """

    async def list_changed_floating_ips(self, floating_ips: Sequence[FloatingIPSpec]) -> AbstractSet[str]:
        """Return the ids of those floating IPs that exist and are assigned to another port, or to none."""
