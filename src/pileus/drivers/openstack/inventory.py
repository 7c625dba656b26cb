"""What OpenStack has of each kind, by the names and descriptions that this driver gives."""

from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.volumes import is_migration_copy
from pileus.drivers.protocols.inventory import InventoryKind


class _List(Struct, frozen=True):
    """Where a kind is listed: its service and path, the key of the list, and the field that holds the id of Pileus."""

    service: str
    path: str
    key: str
    field: str = "name"
    params: dict[str, str] = {}


def _of_neutron(path: str, key: str, field: str = "name") -> _List:
    return _List("network", path, key, field, {"fields": field})


LISTS = {
    InventoryKind.VOLUMES: _List("block-storage", "/volumes/detail", "volumes"),
    InventoryKind.SNAPSHOTS: _List("block-storage", "/snapshots", "snapshots"),
    InventoryKind.IMAGES: _List("image", "/images", "images", params={"limit": "1000"}),
    InventoryKind.NETWORKS: _of_neutron("/networks", "networks"),
    InventoryKind.SUBNETS: _of_neutron("/subnets", "subnets"),
    InventoryKind.ROUTERS: _of_neutron("/routers", "routers"),
    InventoryKind.SECURITY_GROUPS: _of_neutron("/security-groups", "security_groups"),
    InventoryKind.FLOATING_IPS: _of_neutron("/floatingips", "floatingips", "description"),
}


async def list_resource_ids(cloud: OpenstackCloud, kind: InventoryKind) -> set[str]:
    """Return the ids of Pileus of all resources of a kind, page by page. Raises DriverError."""
    place, ids = LISTS[kind], set[str]()
    params: dict[str, str] | None = place.params
    while params is not None:
        page = await cloud.get(place.service, place.path, **params)
        names = [item[place.field] or "" for item in page[place.key] if not is_migration_copy(item)]
        ids.update(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
        params = _next_page(page, place)
    return ids


def _next_page(page: Json, place: _List) -> dict[str, str] | None:
    """Return the parameters of the next page. Glance names it directly, others in a list of links."""
    links = page.get(f"{place.key}_links") or []
    following = page.get("next") or next((link["href"] for link in links if link["rel"] == "next"), None)
    return dict(parse_qsl(urlsplit(following).query)) if following else None
