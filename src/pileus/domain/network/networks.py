"""Networks and their subnets, and which address is given next."""

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain, islice
from operator import itemgetter
from typing import ClassVar, TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Forbidden, NoCapacity, invalid
from pileus.domain.locks import Lockable
from pileus.domain.places import Place

IP_VERSIONS = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
MTUS = {"vlan": 1500, "vxlan": 1450}
SEGMENTATION_IDS = {"vlan": range(1, 4095), "vxlan": range(1, 2**24)}
"""The numbers that tell a region's networks of one type apart on the wire."""

Address = IPv4Address | IPv6Address
Cidr = IPv4Network | IPv6Network


class NetworkPatch(TypedDict, total=False):
    """A merge patch of a network: a key that is absent is left alone."""

    name: str
    tags: Mapping[str, str | None] | None


class Network(Lockable, frozen=True, kw_only=True):
    """A layer-2 network; an external one belongs to nobody and is seen by all."""

    NOUN: ClassVar[str] = "Network"

    client_id: int | None = None
    project_id: int | None = None
    region_id: int
    name: str
    type: str = "vxlan"
    mtu: int = 1450
    segmentation_id: int | None = None
    external: bool = False
    shared: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    retired: bool = False
    """Whether the catalogue offers it no more."""
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    def require_owned_by(self, place: Place) -> "Network":
        """Itself if it is a place's own; raises Forbidden for one that is only lent to it."""
        if (self.client_id, self.project_id) != (place.client_id, place.project_id):
            raise Forbidden(f"Network {self.id} is not the project's own: it can be used, but not changed")
        return self

    def patched(self, patch: NetworkPatch, now: int) -> "Network":
        """Apply the record's part of a merge patch (`tags.merged` does the other)."""
        return replace(self, name=patch.get("name", self.name), updated_at=now)


class Route(Struct, frozen=True):
    """A route that hosts of a subnet are told."""

    destination: str
    nexthop: str


class Subnet(Lockable, frozen=True, kw_only=True):
    """A range of addresses of a network; `dns_nameservers` None means the provider's."""

    NOUN: ClassVar[str] = "Subnet"

    client_id: int | None = None
    project_id: int | None = None
    region_id: int
    network_id: str
    name: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] | None = None
    host_routes: list[Route] = field(default_factory=list)
    retired: bool = False
    """Whether the catalogue offers it no more, so that it gives no new addresses."""
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    @property
    def total_addresses(self) -> int:
        """How many addresses it can give."""
        network = ip_network(self.cidr)
        kept = {address for address in self.reserved_addresses(network) if address in network}
        return network.num_addresses - len(kept)

    def can_assign(self, ip: str) -> bool:
        """Whether `ip` is one that it may give to a port; raises ValueError for what is no address."""
        address, network = ip_address(ip), ip_network(self.cidr)
        return address in network and address not in self.reserved_addresses(network)

    def reserved_addresses(self, network: Cidr) -> set[Address]:
        """The addresses that no port gets: both edges and the gateway."""
        gateway = () if self.gateway_ip is None else (ip_address(self.gateway_ip),)
        return {network.network_address, network.broadcast_address, *gateway}


def canonical_ip(ip: str) -> str:
    """The one spelling of an address that records use; raises ValueError."""
    return str(ip_address(ip))


def next_free_address(subnet: Subnet, used: Container[str], after: str | None = None) -> str | None:
    """The first address not in use, counted on from `after` and then from the start; None when all are."""
    gateway = ip_address(subnet.gateway_ip) if subnet.gateway_ip is not None else None
    for address in _from(ip_network(subnet.cidr), after):
        text = str(address)
        if address != gateway and text not in used:
            return text
    return None


def has_choice(subnets: Iterable[Subnet], family: str | None = "ipv4") -> bool:
    """Whether there is more than one subnet to choose from, so that it matters how full each is."""
    there = [subnet.ip_version for subnet in subnets]
    return any(there.count(version) > 1 for version in IP_VERSIONS[family or "ipv4"])


def choose_subnets(subnets: Iterable[tuple[Subnet, int]], family: str | None = "ipv4") -> list[Subnet]:
    """Choose the subnet with the most addresses left, given how many are in use; with `dual` one of each version.

    Raises Invalid where the network has no subnet of the family, and NoCapacity where those that it has are full.
    """
    known = list(subnets)
    return [_widest(known, version) for version in IP_VERSIONS[family or "ipv4"]]


def _widest(subnets: Sequence[tuple[Subnet, int]], version: int) -> Subnet:
    fitting = [(subnet, subnet.total_addresses - used) for subnet, used in subnets if subnet.ip_version == version]
    if not fitting:
        raise invalid(ip_family=f"The network has no IPv{version} subnet")
    subnet, free = max(fitting, key=itemgetter(1))
    if free <= 0:
        raise NoCapacity(f"The network has no free IPv{version} address")
    return subnet


def _from(network: Cidr, after: str | None) -> Iterator[Address]:
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    kind = IPv4Address if network.version == 4 else IPv6Address  # noqa: PLR2004  # the protocol's number
    start = min(max(int(ip_address(after)) + 1, first), last + 1) if after else first
    yield from (kind(number) for number in range(start, last + 1))
    yield from (kind(number) for number in range(first, start))


def segmentation_ids(network_type: str, seed: str) -> Iterator[int]:
    """Every number that a network of a type can have, beginning anywhere, but at the same for the same seed."""
    numbers = SEGMENTATION_IDS[network_type]
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % len(numbers)
    return chain(numbers[start:], numbers[:start])


def first_candidate(subnet: Subnet, seed: str) -> str:
    """Where in a subnet to begin looking for a free address: anywhere, but the same for the same seed."""
    network = ip_network(subnet.cidr)
    spread = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % max(subnet.total_addresses, 1)
    return str(network.network_address + spread)


def next_candidates(subnet: Subnet, after: str, count: int) -> list[str]:
    """The next addresses that a subnet could give, counted on from one and then from the start."""
    network = ip_network(subnet.cidr)
    kept = subnet.reserved_addresses(network)
    return [str(each) for each in islice((each for each in _from(network, after) if each not in kept), count)]
