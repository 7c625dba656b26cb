"""Subnets as the API shows them."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.network.networks import Route, Subnet
from pileus.domain.tags import Tag

SubnetOrder = Literal[
    "available_ips.asc", "available_ips.desc", "cidr.asc", "cidr.desc", "created_at.asc", "created_at.desc",
    "name.asc", "name.desc", "total_ips.asc", "total_ips.desc", "updated_at.asc", "updated_at.desc",
]  # fmt: skip
LARGEST_INTEGER = 2**64 - 1
"""Larger numbers of addresses are floating-point numbers."""


class RouteView(Struct, kw_only=True):
    """A route of a router, or of the hosts in a subnet."""

    destination: str
    nexthop: str

    @classmethod
    def of(cls, route: Route) -> "RouteView":
        """Return the view of a route."""
        return cls(destination=route.destination, nexthop=route.nexthop)


class SubnetView(Struct, kw_only=True):
    """A subnet. Huge numbers of IPv6 addresses are rounded.

    `available_ips` is null if it was not counted. With DHCP it is two lower than the number of free addresses.
    """

    id: str
    name: str
    network_id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str] | None
    host_routes: list[RouteView] | None
    has_router: bool
    available_ips: int | float | None
    total_ips: int | float | None
    tags: list[TagView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    metadata: LegacyField[list[TagView]]

    @classmethod
    def of(
        cls, subnet: Subnet, tags: Iterable[Tag], region_name: str, project_id: int, available_ips: int | None = None
    ) -> "SubnetView":
        """Return the view of a subnet. A subnet without a project is shown in the caller's project."""
        tag_list = tag_views(tags)
        return make_view(
            cls,
            subnet,
            dns_nameservers=subnet.dns_nameservers or [],
            host_routes=[RouteView.of(route) for route in subnet.host_routes],
            has_router=False,
            available_ips=None if available_ips is None else _count(available_ips),
            total_ips=_count(subnet.assignable_address_count),
            tags=tag_list,
            metadata=tag_list,
            **common_view_fields(subnet, region_name, project_id),
        )


def _count(number: int) -> int | float:
    return number if number <= LARGEST_INTEGER else float(number)
