"""What OpenStack has of each kind, by the names and descriptions that this driver gives."""

from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.cloud_lists import CloudList, list_items
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.volumes import is_migration_copy
from pileus.drivers.protocols.inventory import InventoryKind


def _of_neutron(path: str, key: str, field: str = "name") -> CloudList:
    return CloudList("network", path, key, field, {"fields": field})


LISTS = {
    InventoryKind.VOLUMES: CloudList("block-storage", "/volumes/detail", "volumes"),
    InventoryKind.SNAPSHOTS: CloudList("block-storage", "/snapshots", "snapshots"),
    InventoryKind.IMAGES: CloudList("image", "/images", "images", params={"limit": "1000"}),
    InventoryKind.NETWORKS: _of_neutron("/networks", "networks"),
    InventoryKind.SUBNETS: _of_neutron("/subnets", "subnets"),
    InventoryKind.ROUTERS: _of_neutron("/routers", "routers"),
    InventoryKind.SECURITY_GROUPS: _of_neutron("/security-groups", "security_groups"),
    InventoryKind.FLOATING_IPS: _of_neutron("/floatingips", "floatingips", "description"),
}


async def list_resource_ids(cloud: OpenstackCloud, kind: InventoryKind) -> set[str]:
    """Return the ids of Pileus of all resources of a kind. Raises DriverError."""
    place = LISTS[kind]
    items = await list_items(cloud, place, place.params)
    names = [item[place.field] or "" for item in items if not is_migration_copy(item)]
    return {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
