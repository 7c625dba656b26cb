"""Lists of resources, page by page."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from pileus.drivers.openstack.cloud import Json, OpenstackCloud


class CloudList(Struct, frozen=True):
    """Where a kind is listed: its service and path, the key of the list, and the field that holds the id of Pileus."""

    service: str
    path: str
    key: str
    field: str = "name"
    params: dict[str, str] = {}


async def list_items(cloud: OpenstackCloud, place: CloudList, first: Mapping[str, str]) -> list[Json]:
    """Return all items of a list, page by page; `first` are the parameters of the first page. Raises DriverError."""
    items: list[Json] = []
    params: Mapping[str, str] | None = first
    while params is not None:
        page = await cloud.get(place.service, place.path, **params)
        items += page[place.key]
        params = _next_page(page)
    return items


def _next_page(page: Json) -> dict[str, str] | None:
    """Return the parameters of the next page. Glance names it directly, others in a list of links."""
    links: list[Json] = next((value for name, value in page.items() if name.endswith("_links")), [])
    following = page.get("next") or next((link["href"] for link in links if link["rel"] == "next"), None)
    return dict(parse_qsl(urlsplit(following).query)) if following else None
