"""What exists of each kind, so that differences between the records and the driver are found."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pileus.drivers.protocols.abilities import AbilityMeta


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
