"""Subnets as the API shows them, and the bodies that make and change them."""

from collections.abc import Iterable, Sequence
from typing import Literal, cast

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.common import common_fields
from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.tags import NewTags, TagChanges, TagView, tag_views
from pileus.domain.network.networks import Route, Subnet
from pileus.domain.network.subnets import NewSubnet, SubnetPatch
from pileus.domain.tags import Tag, validate_tags

SubnetOrder = Literal[
    "available_ips.asc", "available_ips.desc", "cidr.asc", "cidr.desc", "created_at.asc", "created_at.desc",
    "name.asc", "name.desc", "total_ips.asc", "total_ips.desc", "updated_at.asc", "updated_at.desc",
]  # fmt: skip
LARGEST_INTEGER = 2**64 - 1
"""Larger counts are shown as floating-point numbers."""


class RouteView(Struct, kw_only=True):
    """A route, of a router or one that hosts are told."""

    destination: str
    nexthop: str

    @classmethod
    def of(cls, route: Route) -> "RouteView":
        """Show a route."""
        return cls(destination=route.destination, nexthop=route.nexthop)


class RouteIn(Struct, kw_only=True):
    """A route: where to (a network), and the address to go there by."""

    destination: str
    nexthop: str

    def route(self) -> Route:
        """Make the record, as it was spelled."""
        return Route(destination=self.destination, nexthop=self.nexthop)


class SubnetView(Struct, kw_only=True):
    """A subnet; `available_ips` is null where it was not counted, and vast counts of IPv6 are about right only."""

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

    @classmethod
    def of(
        cls, subnet: Subnet, tags: Iterable[Tag], region_name: str, project_id: int, available: int | None = None
    ) -> "SubnetView":
        """Show a subnet; one that belongs to nobody appears as the caller's project's own."""
        return cls(
            id=subnet.id,
            name=subnet.name,
            network_id=subnet.network_id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=subnet.gateway_ip,
            enable_dhcp=subnet.enable_dhcp,
            dns_nameservers=subnet.dns_nameservers or [],
            host_routes=[RouteView.of(route) for route in subnet.host_routes],
            has_router=False,
            available_ips=None if available is None else _count(available),
            total_ips=_count(subnet.total),
            tags=tag_views(tags),
            **common_fields(subnet, region_name, project_id),
        )


class LegacySubnetView(SubnetView, kw_only=True):
    """A subnet with the second name that older clients read."""

    metadata: list[TagView]

    @classmethod
    def of(
        cls, subnet: Subnet, tags: Iterable[Tag], region_name: str, project_id: int, available: int | None = None
    ) -> "LegacySubnetView":
        """Show a subnet under both sets of names."""
        view = SubnetView.of(subnet, tags, region_name, project_id, available)
        return cls(**asdict(view), metadata=view.tags)


class CreateSubnet(Struct, kw_only=True):
    """A subnet to make; without `gateway_ip` its first address is the gateway, with null it has none."""

    name: Name
    network_id: Uuid
    cidr: str
    ip_version: Literal[4, 6] | None = None
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool = True
    dns_nameservers: list[str] | None = None
    host_routes: list[RouteIn] | None = None
    connect_to_network_router: bool = True
    router_id_to_connect: Uuid | None = None
    tags: NewTags | None = None
    metadata: NewTags | None = None

    def wanted(self, nameservers: Sequence[str]) -> NewSubnet:
        """Say it in the rules' words; who names no name servers gets the provider's."""
        return NewSubnet(
            name=self.name,
            cidr=self.cidr,
            ip_version=self.ip_version,
            gateway_ip=self.gateway_ip,
            enable_dhcp=self.enable_dhcp,
            dns_nameservers=nameservers if self.dns_nameservers is None else self.dns_nameservers,
            host_routes=[route.route() for route in self.host_routes or ()],
        )


class UpdateSubnet(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of a subnet: what is absent stays; null takes the gateway, or all tags, away."""

    name: Name | None = None
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool | None = None
    dns_nameservers: list[str] | None = None
    host_routes: list[RouteIn] | None = None
    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> SubnetPatch:
        """Keep the fields that were sent, tags checked; raises Invalid."""
        plain = {name: getattr(self, name) for name in ("name", "enable_dhcp", "dns_nameservers")}
        patch = cast("SubnetPatch", {name: value for name, value in plain.items() if value is not None})
        if self.gateway_ip is not UNSET:
            patch["gateway_ip"] = self.gateway_ip
        if self.host_routes is not None:
            patch["host_routes"] = [route.route() for route in self.host_routes]
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        return patch


def _count(number: int) -> int | float:
    return number if number <= LARGEST_INTEGER else float(number)
