"""Tables derived from a state: addresses, routes, NAT bindings and firewall rules."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network

from msgspec import Struct

from pileus.domain.network.networks import Route
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import Nic, RouterSpec, SubnetSpec
from pileus.drivers.qemu.fabric.dhcp import Lease
from pileus.drivers.qemu.fabric.firewall import IN, Pattern, members, patterns
from pileus.drivers.qemu.fabric.frames import packed
from pileus.drivers.qemu.fabric.nat import Fact
from pileus.drivers.qemu.fabric.state import State

MTU = 1500
FEW = 16
"""The number of ports up to which all ports of a rule are forwarded; of a longer range, only the common ones are."""
ASKED_FOR = (22, 80, 443, 3389, 8080)
EVERYWHERE = (None, "0.0.0.0/0")


class Hop(Struct, frozen=True):
    """A static route of a router: network and mask as numbers, and the address of the next hop."""

    network: int
    mask: int
    nexthop: bytes


class Target(Struct, frozen=True):
    """The port and fixed address of a floating IP."""

    port_id: str
    address: bytes


class Plan:
    """Lookup tables, built once for each state."""

    def __init__(self, state: State) -> None:
        self.wires = {wire.nic.port_id: wire for wire in state.wires}
        self.guests = {guest.machine_id: guest for guest in state.guests}
        self.bridges = dict(state.bridges)
        self.mtus = {segment.id: segment.mtu for segment in state.networks}
        self._subnets = _grouped(state.subnets)
        self._rules = {group.id: group.rules for group in state.security_groups}
        self._members = members((wire.nic.groups, wire.nic.addresses) for wire in state.wires)
        self.external = frozenset(state.outside)
        self.own = {network_id: set(self._own(state, network_id)) for network_id in self._networks(state)}
        self.joined = {network_id: {network_id} for network_id in self.own}
        self.beyond: dict[str, set[str]] = {}
        self.exits = set(state.outside)
        self.hops: dict[str, list[Hop]] = {}
        self.floating = {
            packed(each.ip_address): Target(each.port_id, packed(each.fixed_ip_address)) for each in state.floating_ips
        }
        self._floating_of = {target: address for address, target in self.floating.items()}
        self._router_of: dict[str, bytes] = {}
        self._routers(state)
        self.facts: set[Fact] = {
            *((address, target.port_id, target.address) for address, target in self.floating.items()),
            *((address, network_id, b"") for network_id, address in self._router_of.items()),
        }

    def seen_as(self, port_id: str, network_id: str, address: bytes) -> Fact | None:
        """Return the binding of an inner address to its floating IP, or else to its router's address."""
        if floating := self._floating_of.get(Target(port_id, address)):
            return floating, port_id, address
        router = self._router_of.get(network_id)
        return (router, network_id, b"") if router else None

    def patterns(self, nic: Nic) -> dict[str, list[Pattern]]:
        """Return the compiled security group rules of an interface."""
        return patterns(self._guarding(nic), self._members)

    def lease(self, nic: Nic) -> Lease | None:
        """Return what an interface gets by DHCP; None without DHCP."""
        for address in nic.addresses:
            subnet = self._subnet(nic.network_id, address)
            if subnet and subnet.enable_dhcp and ":" not in address:
                return self._lease(nic, address, subnet)
        return None

    def openings(self, nic: Nic) -> Iterator[tuple[str, str, int]]:
        """Yield protocol, address and port of all that is open to every source, which the host forwards."""
        opened = {opening for rule in self._guarding(nic) for opening in _opened(rule)}
        for address in nic.addresses:
            if ":" not in address:
                yield from ((protocol, address, port) for protocol, port in sorted(opened))

    def _lease(self, nic: Nic, address: str, subnet: SubnetSpec) -> Lease:
        guest = self.guests.get(self.wires[nic.port_id].machine_id)
        return Lease(
            address=address,
            cidr=subnet.cidr,
            gateway=subnet.gateway_ip,
            resolvers=tuple(each for each in subnet.dns_nameservers if not self._is_ours(each)),
            routes=tuple(Route(each.destination, each.nexthop) for each in subnet.host_routes),
            mtu=min(self.mtus.get(nic.network_id, MTU), MTU),
            host_name=guest.host_name if guest else "machine",
        )

    def _is_ours(self, address: str) -> bool:
        """Whether an address is in one of the fabric's networks but no machine has it: there is no resolver then."""
        if any(address in wire.nic.addresses for wire in self.wires.values()):
            return False
        return any(self._subnet(network_id, address) for network_id in self._subnets)

    def _guarding(self, nic: Nic) -> list[NewRule]:
        return [rule for group in nic.groups for rule in self._rules.get(group, ())]

    def _subnet(self, network_id: str, address: str) -> SubnetSpec | None:
        there = self._subnets.get(network_id, ())
        return next((each for each in there if ip_address(address) in ip_network(each.cidr)), None)

    def _networks(self, state: State) -> set[str]:
        return {*self.mtus, *self._subnets, *(wire.nic.network_id for wire in state.wires)}

    def _own(self, state: State, network_id: str) -> Iterator[bytes]:
        """Yield the addresses that the fabric answers for in a network.

        These are floating IPs and addresses of routers and gateways; bridged networks have gateways of their own.
        """
        machines = {ip for wire in state.wires for ip in _at(wire.nic, network_id)}
        found = {ip for joined in state.routers for ip in _at(joined.router.outside, network_id)}
        if network_id in self.external:
            found |= {each.ip_address for each in state.floating_ips if self._subnet(network_id, each.ip_address)}
        if network_id not in self.bridges:
            found |= {subnet.gateway_ip for subnet in self._subnets.get(network_id, ()) if subnet.gateway_ip}
            found |= {ip for joined in state.routers for nic in joined.nics for ip in _at(nic, network_id)}
        yield from (packed(ip) for ip in found - machines if ":" not in ip)

    def _routers(self, state: State) -> None:
        """Record which networks routers connect, and which external networks they lead to.

        External networks reach those behind a router only if it does not translate addresses.
        """
        for joined in state.routers:
            outside = joined.router.outside
            inner = {nic.network_id for nic in joined.nics}
            every = inner | ({outside.network_id} if outside and not joined.router.translates else set())
            for network_id in every:
                self.joined.setdefault(network_id, {network_id}).update(every)
                self.hops.setdefault(network_id, []).extend(map(_hop, joined.router.routes))
            if outside:
                self._leave(inner, outside, joined.router)

    def _leave(self, inner: set[str], outside: Nic, router: RouterSpec) -> None:
        self.exits |= inner
        address = next((each for each in outside.addresses if ":" not in each), None)
        for network_id in inner:
            self.beyond.setdefault(network_id, set()).add(outside.network_id)
            if router.translates and address:
                self._router_of.setdefault(network_id, packed(address))


@lru_cache(4096)
def own_mac(network_id: str) -> bytes:
    """Return the fabric's own hardware address in a network."""
    return b"\x02" + hashlib.sha256(network_id.encode()).digest()[:5]


def _grouped(subnets: Iterable[SubnetSpec]) -> dict[str, list[SubnetSpec]]:
    found: dict[str, list[SubnetSpec]] = {}
    for subnet in subnets:
        found.setdefault(subnet.network_id, []).append(subnet)
    return found


def _at(nic: Nic | None, network_id: str) -> list[str]:
    return nic.addresses if nic and nic.network_id == network_id else []


def _hop(route: Route) -> Hop:
    network = ip_network(route.destination)
    return Hop(int(network.network_address), int(network.netmask), packed(route.nexthop))


def _opened(rule: NewRule) -> Iterator[tuple[str, int]]:
    """Yield protocols and ports that a rule opens to every source; for a rule for all protocols, those of TCP."""
    open_to_all = rule.direction == IN and rule.remote_group_id is None and rule.remote_ip_prefix in EVERYWHERE
    if not open_to_all or rule.ethertype == "IPv6" or rule.protocol not in (None, "any", "tcp", "udp", "6", "17"):
        return
    low, high = rule.port_range_min or 1, rule.port_range_max or 65535
    protocol = "udp" if rule.protocol in ("udp", "17") else "tcp"
    ports = range(low, high + 1) if high - low < FEW else [port for port in ASKED_FOR if low <= port <= high]
    yield from ((protocol, port) for port in ports)
