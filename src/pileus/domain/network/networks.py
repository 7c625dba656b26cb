"""Networks and subnets, and the choice of the next address."""

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, islice
from operator import itemgetter
from typing import ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import NoCapacity, invalid
from pileus.domain.ip_addresses import Address, Cidr, ip_address, ip_network
from pileus.domain.patches import ResourcePatch
from pileus.domain.resources import OwnedOrPublicResource

IP_VERSIONS = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
MTU = 1500
"""Bytes of the largest packet in a tenant's network."""
DHCP_ADDRESSES = 2
"""Addresses that the DHCP servers of a subnet have in the public cloud; Pileus needs none."""
SEGMENTATION_IDS = {"vlan": range(1, 4095), "vxlan": range(1, 2**24)}
"""VLAN ids and VXLAN network ids."""


class Network(OwnedOrPublicResource, frozen=True, kw_only=True):
    """A layer-2 network. An external one has no owner and is visible to all."""

    NOUN: ClassVar[str] = "Network"

    id: str
    name: str
    type: str = "vxlan"
    mtu: int = MTU
    segmentation_id: int | None = None
    external: bool = False
    shared: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    retired: bool = False
    """Whether the catalogue no longer offers it."""

    def patched(self, patch: ResourcePatch, now: int) -> "Network":
        """Apply a merge patch, except for its tags."""
        return replace(self, name=patch.get("name", self.name), updated_at=now)


class Route(Struct, frozen=True):
    """A static route of a subnet's hosts or of a router."""

    destination: str
    nexthop: str


class Subnet(OwnedOrPublicResource, frozen=True, kw_only=True):
    """A range of addresses of a network. `dns_nameservers` None means the provider's."""

    NOUN: ClassVar[str] = "Subnet"

    id: str
    network_id: str
    name: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] | None = None
    host_routes: list[Route] = field(default_factory=list)
    retired: bool = False
    """Whether the catalogue no longer offers it, so that no new addresses are assigned."""

    @property
    def assignable_address_count(self) -> int:
        """The number of assignable addresses."""
        return _count_assignable(self.cidr, self.gateway_ip)

    def available_address_count(self, used: int) -> int:
        """Return the number of available addresses to show: those of DHCP servers count as used."""
        return max(0, self.assignable_address_count - used - (DHCP_ADDRESSES if self.enable_dhcp else 0))

    def can_assign_address(self, ip: str) -> bool:
        """Return whether `ip` can be assigned to a port. Raises ValueError if it is no address."""
        address = ip_address(ip)
        return address in parse_cidr(self.cidr) and address not in self.unassignable_addresses

    @property
    def unassignable_addresses(self) -> frozenset[Address]:
        """The addresses that are never assigned: network, broadcast and gateway."""
        return _list_unassignable(self.cidr, self.gateway_ip)


parse_cidr = lru_cache(maxsize=1024)(ip_network)
"""Parse an address range; networks never change. Raises ValueError."""


@lru_cache(maxsize=1024)
def _list_unassignable(cidr: str, gateway_ip: str | None) -> frozenset[Address]:
    network, gateway = parse_cidr(cidr), () if gateway_ip is None else (ip_address(gateway_ip),)
    return frozenset({network.network_address, network.broadcast_address, *gateway})


@lru_cache(maxsize=1024)
def _count_assignable(cidr: str, gateway_ip: str | None) -> int:
    network = parse_cidr(cidr)
    return network.num_addresses - sum(address in network for address in _list_unassignable(cidr, gateway_ip))


def canonical_ip(ip: str) -> str:
    """Return the canonical form of an address. Raises ValueError."""
    return str(ip_address(ip))


def next_free_address(subnet: Subnet, used: Container[str], after: str | None = None) -> str | None:
    """Return the next unused address after `after`, wrapping around; None if all are in use."""
    gateway = ip_address(subnet.gateway_ip) if subnet.gateway_ip is not None else None
    for address in _addresses_after(parse_cidr(subnet.cidr), after):
        text = str(address)
        if address != gateway and text not in used:
            return text
    return None


def has_subnet_choice(subnets: Iterable[Subnet], family: str | None = "ipv4") -> bool:
    """Return whether there are several subnets of one IP version to choose from."""
    versions = [subnet.ip_version for subnet in subnets]
    return any(versions.count(version) > 1 for version in IP_VERSIONS[family or "ipv4"])


def choose_emptiest_subnets(subnets: Iterable[tuple[Subnet, int]], family: str | None = "ipv4") -> list[Subnet]:
    """Return the subnet with the most free addresses, of each IP version for `dual`. Pairs hold the addresses in use.

    Raises Invalid if the network has no subnet of the family, and NoCapacity if all are full.
    """
    candidates = list(subnets)
    return [_emptiest(candidates, version) for version in IP_VERSIONS[family or "ipv4"]]


def _emptiest(subnets: Sequence[tuple[Subnet, int]], version: int) -> Subnet:
    free_by_subnet = [
        (subnet, subnet.assignable_address_count - used) for subnet, used in subnets if subnet.ip_version == version
    ]
    if not free_by_subnet:
        raise invalid(ip_family=f"The network has no IPv{version} subnet")
    subnet, free = max(free_by_subnet, key=itemgetter(1))
    if free <= 0:
        raise NoCapacity(f"The network has no free IPv{version} address")
    return subnet


def _addresses_after(cidr: Cidr, after: str | None) -> Iterator[Address]:
    first, last = int(cidr.network_address) + 1, int(cidr.broadcast_address) - 1
    address_type = IPv4Address if cidr.version == 4 else IPv6Address  # noqa: PLR2004  # the protocol's number
    start = min(max(int(ip_address(after)) + 1, first), last + 1) if after else first
    yield from (address_type(number) for number in range(start, last + 1))
    yield from (address_type(number) for number in range(first, start))


def iterate_segmentation_ids(network_type: str, seed: str) -> Iterator[int]:
    """Yield every segmentation id of a network type, from a start that the seed determines."""
    numbers = SEGMENTATION_IDS[network_type]
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % len(numbers)
    return chain(numbers[start:], numbers[:start])


def first_candidate_address(subnet: Subnet, seed: str) -> str:
    """Return the address at which the search for a free one starts. The seed determines it."""
    cidr = parse_cidr(subnet.cidr)
    offset = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % max(subnet.assignable_address_count, 1)
    return str(cidr.network_address + offset)


def next_candidate_addresses(subnet: Subnet, after: str, count: int) -> list[str]:
    """Return the next assignable addresses after `after`, wrapping around."""
    reserved = subnet.unassignable_addresses
    assignable = (address for address in _addresses_after(parse_cidr(subnet.cidr), after) if address not in reserved)
    return [str(address) for address in islice(assignable, count)]
