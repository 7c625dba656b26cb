"""Request bodies of subnets."""

from typing import Annotated, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.api.wire.tags import TagChanges
from pileus.domain import limits
from pileus.domain.network.networks import Route
from pileus.domain.network.subnets import NewSubnet, SubnetPatch
from pileus.domain.tags import validate_tags


class NewRoute(Struct, kw_only=True):
    """A route: the destination network and the address of the next hop."""

    destination: str
    nexthop: str

    def to_route(self) -> Route:
        """Return the record, spelled as in the request."""
        return Route(destination=self.destination, nexthop=self.nexthop)


DnsNameservers = Annotated[list[str], Meta(max_length=limits.DNS_NAMESERVERS.value)]
HostRoutes = Annotated[list[NewRoute], Meta(max_length=limits.HOST_ROUTES.value)]


class CreateSubnet(CreateTaggedResource, kw_only=True):
    """A subnet to create. Without `gateway_ip` the first address is the gateway; with null there is none."""

    name: Name
    network_id: Uuid
    cidr: str
    ip_version: Literal[4, 6] | None = None
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool = True
    dns_nameservers: DnsNameservers | None = None
    host_routes: HostRoutes | None = None
    connect_to_network_router: bool = True
    router_id_to_connect: Uuid | None = None

    def to_new_subnet(self) -> NewSubnet:
        """Return the subnet to create."""
        return NewSubnet(
            name=self.name,
            cidr=self.cidr,
            ip_version=self.ip_version,
            gateway_ip=self.gateway_ip,
            enable_dhcp=self.enable_dhcp,
            dns_nameservers=self.dns_nameservers,
            host_routes=[route.to_route() for route in self.host_routes or ()],
        )


class UpdateSubnet(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of a subnet. Absent fields stay; null removes the gateway, or all tags."""

    name: Name | None = None
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool | None = None
    dns_nameservers: DnsNameservers | None = None
    host_routes: HostRoutes | None = None
    tags: TagChanges | UnsetType | None = UNSET

    def to_patch(self) -> SubnetPatch:
        """Return the fields of the request, with valid tags. Raises Invalid."""
        plain = {name: getattr(self, name) for name in ("name", "enable_dhcp", "dns_nameservers")}
        patch = cast("SubnetPatch", {name: value for name, value in plain.items() if value is not None})
        if self.gateway_ip is not UNSET:
            patch["gateway_ip"] = self.gateway_ip
        if self.host_routes is not None:
            patch["host_routes"] = [route.to_route() for route in self.host_routes]
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        return patch
