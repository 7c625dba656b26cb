"""Routers: interfaces to subnets, external gateways and static routes."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import ClassVar, TypedDict, cast

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Invalid, invalid, nest_field_errors
from pileus.domain.ip_addresses import ip_address, ip_network
from pileus.domain.limits import ROUTER_INTERFACES
from pileus.domain.network.networks import Network, Route, Subnet
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.subnets import do_subnets_overlap
from pileus.domain.resources import TenantResource

NAME_SUFFIX = "_router"
MAX_NAME_LENGTH = 63


class RouterStatus(StrEnum):
    """The statuses of a router."""

    BUILD = "BUILD"
    ACTIVE = "ACTIVE"


class RouterPatch(TypedDict, total=False):
    """Changes of a router. An absent key leaves the field unchanged."""

    name: str
    routes: list[Route]
    external_network_id: str | None
    enable_snat: bool


class NewExternalGateway(Struct, frozen=True, kw_only=True):
    """The external gateway of a new router.

    `type` is `default` (the region's external network), `manual` (the network `network_id`), or None: `network_id` if
    that is given, the region's external network otherwise.
    """

    type: str | None = None
    network_id: str | None = None
    enable_snat: bool = True

    def resolve_network_id(self, default_network_id: str) -> str:
        """Return the id of the gateway's network. Raises Invalid if the type is `manual` without a network."""
        if self.network_id is not None and self.type != "default":
            return self.network_id
        if self.type == "manual":
            raise invalid(network_id="Field required")
        return default_network_id


class NewRouter(Struct, frozen=True, kw_only=True):
    """A router to create, with interfaces in the subnets `subnet_ids`."""

    name: str
    external_gateway: NewExternalGateway | None = None
    subnet_ids: list[str] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)


class Router(TenantResource, frozen=True, kw_only=True):
    """A router; `network_id` is the network that it was created with, `external_network_id` that of its gateway."""

    NOUN: ClassVar[str] = "Router"

    id: str
    name: str
    network_id: str | None = None
    external_network_id: str | None = None
    enable_snat: bool = True
    routes: list[Route] = field(default_factory=list)
    status: str = RouterStatus.BUILD
    creator_task_id: str | None = None
    updated_at: int

    def activated(self, now: int) -> "Router":
        """Set ACTIVE and unlock the router."""
        return replace(self, status=RouterStatus.ACTIVE.value, task_id=None, updated_at=now)

    def patched(self, patch: RouterPatch) -> "Router":
        """Apply a patch."""
        return replace(self, **patch)

    def patch_of_changed_fields(self, patch: RouterPatch) -> RouterPatch:
        """Return the fields of a patch that differ from the router."""
        after = self.patched(patch)
        effective = cast("RouterPatch", {name: value for name, value in patch.items() if getattr(self, name) != value})
        # Without an external gateway, source NAT has no effect.
        if after.external_network_id is None:
            effective.pop("enable_snat", None)
        return effective


class RouterPort(Struct, frozen=True, kw_only=True):
    """A port of a router on a network. A `gateway` port is on the external network."""

    id: str
    router_id: str
    network_id: str
    gateway: bool = False
    mac_address: str
    created_at: int


class RouterInterface(Struct, frozen=True):
    """A router port with its addresses."""

    port: RouterPort
    addresses: list[AssignedAddress]


def default_router_name(network: Network) -> str:
    """Return the name of the router that is created with a network."""
    return network.name[: MAX_NAME_LENGTH - len(NAME_SUFFIX)] + NAME_SUFFIX


def check_subnet_attachable(subnet: Subnet, attached: Collection[Subnet]) -> None:
    """Raise Invalid if a router with the attached subnets cannot have this one too."""
    if len(attached) >= ROUTER_INTERFACES.value:
        raise Invalid(f"The router has {len(attached)} interfaces already")
    for other in attached:
        if other.id == subnet.id:
            raise Invalid(f"Router already has a port on subnet {subnet.id}")
        if do_subnets_overlap(subnet, other):
            raise invalid(subnet_id=f"Its range {subnet.cidr} overlaps with that of subnet {other.id} ({other.cidr})")


def check_next_hops_in_subnets(
    routes: Iterable[Route], subnets: Collection[Subnet], own_addresses: Collection[str]
) -> None:
    """Raise Invalid if a next hop is in none of the router's subnets."""
    unconnected = []
    for position, route in enumerate(routes):
        if route.nexthop in own_addresses:
            with nest_field_errors("routes", position):
                raise invalid(nexthop=f"Address {route.nexthop} is the router's own")
        if not any(_goes_through(route, subnet) for subnet in subnets):
            unconnected.append(route.nexthop)
    if unconnected:
        raise Invalid(f"Nexthops: {', '.join(dict.fromkeys(unconnected))} are not connected with router")


def check_no_route_via_subnet(routes: Iterable[Route], subnet: Subnet) -> None:
    """Raise Invalid if a route has its next hop in the subnet."""
    for route in routes:
        if _goes_through(route, subnet):
            raise Invalid(
                f"Subnet {subnet.id} is used by the route to {route.destination} via {route.nexthop}: remove it first"
            )


def _goes_through(route: Route, subnet: Subnet) -> bool:
    return ip_address(route.nexthop) in ip_network(subnet.cidr)
