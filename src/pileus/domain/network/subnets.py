"""Tenants' own subnets: the rules of creating and changing one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from pileus.domain.context import Context
from pileus.domain.errors import invalid, nest_field_errors
from pileus.domain.ip_addresses import Address, Cidr, ip_address, ip_network
from pileus.domain.network.networks import Network, Route, Subnet

PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
HOST_FIELDS = ("gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes")
"""Fields that hosts on a subnet receive by DHCP."""
NOT_AN_ADDRESS = "value is not a valid IPv4 or IPv6 address"
NOT_A_NETWORK = "value is not a valid IPv4 or IPv6 network"


class NewSubnet(Struct, frozen=True, kw_only=True):
    """A subnet to create.

    An UNSET gateway is the first address, None is no gateway. Name servers of None are the external network's.
    """

    name: str
    cidr: str
    ip_version: int | None = None
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool = True
    dns_nameservers: Sequence[str] | None = None
    host_routes: Sequence[Route] = ()


class SubnetPatch(TypedDict, total=False):
    """A merge patch of a subnet. An absent key leaves the field unchanged."""

    name: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str]
    host_routes: list[Route]
    tags: Mapping[str, str | None] | None


def plan_subnet(new: NewSubnet, network: Network, others: Iterable[Subnet], ctx: Context, task_id: str) -> Subnet:
    """Return the record of a new subnet, locked by the task that creates it. Raises Invalid."""
    cidr = _parse_private_cidr(new.cidr, new.ip_version)
    _check_no_overlap(cidr, others)
    now = ctx.now()
    return Subnet(
        id=ctx.new_id(),
        client_id=network.client_id,
        project_id=network.project_id,
        region_id=network.region_id,
        network_id=network.id,
        name=new.name,
        cidr=str(cidr),
        ip_version=cidr.version,
        gateway_ip=_choose_gateway(cidr, new.gateway_ip),
        enable_dhcp=new.enable_dhcp,
        dns_nameservers=normalize_dns_nameservers(new.dns_nameservers or ()),
        host_routes=normalize_routes("host_routes", new.host_routes, cidr.version),
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


def patched_subnet(subnet: Subnet, patch: SubnetPatch, now: int) -> Subnet:
    """Apply a merge patch, except for its tags. Raises Invalid."""
    gateway_ip, host_routes = subnet.gateway_ip, subnet.host_routes
    if "gateway_ip" in patch:
        gateway_ip = _choose_gateway(ip_network(subnet.cidr), patch["gateway_ip"])
    if "host_routes" in patch:
        host_routes = normalize_routes("host_routes", patch["host_routes"], subnet.ip_version)
    after = replace(
        subnet,
        name=patch.get("name", subnet.name),
        gateway_ip=gateway_ip,
        enable_dhcp=patch.get("enable_dhcp", subnet.enable_dhcp),
        dns_nameservers=normalize_dns_nameservers(patch["dns_nameservers"])
        if "dns_nameservers" in patch
        else subnet.dns_nameservers,
        host_routes=host_routes,
    )
    return replace(after, updated_at=now) if after != subnet else subnet


def has_same_host_settings(subnet: Subnet, other: Subnet) -> bool:
    """Return whether two states of a subnet are the same for its hosts."""
    return all(getattr(subnet, name) == getattr(other, name) for name in HOST_FIELDS)


def do_subnets_overlap(subnet: Subnet, other: Subnet) -> bool:
    """Return whether two subnets overlap."""
    return subnet.ip_version == other.ip_version and _ranges_overlap(ip_network(subnet.cidr), ip_network(other.cidr))


def normalize_routes(field: str, requested: Iterable[Route], version: int | None = None) -> list[Route]:
    """Return the routes of a field in canonical form. Raises Invalid if one is not of the IP version."""
    routes = []
    for position, route in enumerate(requested):
        with nest_field_errors(field, position):
            routes.append(_normalize_route(route, version))
    return routes


def parse_ip_address(field: str, text: str) -> Address:
    """Parse the address in a field. Raises Invalid."""
    try:
        return ip_address(text)
    except ValueError:
        raise invalid(**{field: NOT_AN_ADDRESS}) from None


def normalize_dns_nameservers(texts: Iterable[str]) -> list[str]:
    """Return addresses of name servers in canonical form. Raises Invalid."""
    return [str(parse_ip_address("dns_nameservers", text)) for text in texts]


def _normalize_route(route: Route, version: int | None) -> Route:
    nexthop = parse_ip_address("nexthop", route.nexthop)
    try:
        destination = ip_network(route.destination)
    except ValueError:
        raise invalid(destination=NOT_A_NETWORK) from None
    if destination.version != nexthop.version or version not in (None, destination.version):
        raise invalid(nexthop="Destination, next hop and subnet must be of one IP version")
    return Route(destination=str(destination), nexthop=str(nexthop))


def _parse_private_cidr(text: str, version: int | None) -> Cidr:
    try:
        cidr = ip_network(text)
    except ValueError:
        raise invalid(cidr=NOT_A_NETWORK) from None
    if not any(_contains(cidr, private_range) for private_range in PRIVATE):
        raise invalid(cidr=f"The range must be private, within {', '.join(map(str, PRIVATE))}")
    if cidr.num_addresses < 4:  # noqa: PLR2004  # both edges, the gateway and one more
        raise invalid(cidr="The range is too small for a gateway and a port")
    if version not in (None, cidr.version):
        raise invalid(ip_version=f"The range is IPv{cidr.version}")
    return cidr


def _check_no_overlap(cidr: Cidr, others: Iterable[Subnet]) -> None:
    for other in others:
        if _ranges_overlap(cidr, ip_network(other.cidr)):
            raise invalid(cidr=f"The range overlaps with that of subnet {other.id} ({other.cidr})")


def _ranges_overlap(cidr: Cidr, other: Cidr) -> bool:
    return _contains(cidr, other) or _contains(other, cidr)


def _contains(inner: Cidr, outer: Cidr) -> bool:
    """Return whether `outer` contains `inner`. Ranges never overlap partially."""
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _choose_gateway(cidr: Cidr, requested: str | UnsetType | None) -> str | None:
    if requested is None:
        return None
    if isinstance(requested, UnsetType):
        return str(cidr.network_address + 1)
    gateway = parse_ip_address("gateway_ip", requested)
    if gateway not in cidr or gateway in {cidr.network_address, cidr.broadcast_address}:
        raise invalid(gateway_ip=f"The gateway must be a host address in {cidr}")
    return str(gateway)
