"""What OpenStack has of each kind, by the names and descriptions that this driver gives."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.volumes import is_migration_copy
from pileus.drivers.protocols.inventory import InventoryKind


class CloudList(Struct, frozen=True):
    """Where a kind is listed: its service and path, the key of the list, and the field that holds the id of Pileus."""

    service: str
    path: str
    key: str
    field: str = "name"
    params: dict[str, str] = {}


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


async def list_items(cloud: OpenstackCloud, place: CloudList, first: Mapping[str, str]) -> list[Json]:
    """Return all items of a list, page by page; `first` are the parameters of the first page. Raises DriverError."""
    items: list[Json] = []
    params: Mapping[str, str] | None = first
    while params is not None:
        page = await cloud.get(place.service, place.path, **params)
        items += page[place.key]
        params = _next_page(page, place)
    return items


def _next_page(page: Json, place: CloudList) -> dict[str, str] | None:
    """Return the parameters of the next page. Glance names it directly, others in a list of links."""
    links = page.get(f"{place.key}_links") or []
    following = page.get("next") or next((link["href"] for link in links if link["rel"] == "next"), None)
    return dict(parse_qsl(urlsplit(following).query)) if following else None
