"""Tables derived from a state: addresses, routes, NAT bindings and firewall rules."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.network.networks import Route
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, RouterSpec, SubnetSpec
from pileus.drivers.qemu.fabric.address_ranges import parse_address_range
from pileus.drivers.qemu.fabric.dhcp import Lease
from pileus.drivers.qemu.fabric.firewall import IN, CompiledRule, collect_members_by_group, compile_rules_by_direction
from pileus.drivers.qemu.fabric.frames import pack_ip_address
from pileus.drivers.qemu.fabric.metadata import RequestingGuest
from pileus.drivers.qemu.fabric.nat import Binding
from pileus.drivers.qemu.fabric.network_data import network_data
from pileus.drivers.qemu.fabric.state import FabricState

MTU = 1500
RANGE_LIMIT = 16
"""The number of ports up to which all ports of a rule are forwarded; of a longer range, only the common ones are."""
COMMON_PORTS = (22, 80, 443, 3389, 8080)
UNSPECIFIED = b"\0" * 4
ANY_SOURCE = (None, "0.0.0.0/0")


class StaticRoute(Struct, frozen=True):
    """A static route of a router: network and mask as numbers, and the address of the next hop."""

    network: int
    mask: int
    nexthop: bytes


class TranslationTarget(Struct, frozen=True):
    """The port and fixed address of a floating IP; no network if the port is unknown."""

    port_id: str
    address: bytes
    network_id: str | None


class NetworkTables:
    """Lookup tables, built once for each state."""

    def __init__(self, state: FabricState) -> None:
        self.wires = {wire.nic.port_id: wire for wire in state.wires}
        self._nics_by_machine_id: dict[str, list[NicSpec]] = {}
        for wire in state.wires:
            self._nics_by_machine_id.setdefault(wire.machine_id, []).append(wire.nic)
        self.guests = {guest.machine_id: guest for guest in state.guests}
        self.bridges = dict(state.bridges)
        self.mtus = {segment.id: segment.mtu for segment in state.networks}
        self._subnets = _by_network(state.subnets)
        self._ranges = {
            network_id: [parse_address_range(subnet.cidr) for subnet in subnets]
            for network_id, subnets in self._subnets.items()
        }
        self._rules = {group.id: group.rules for group in state.security_groups}
        self._group_members = collect_members_by_group(
            (wire.nic.groups, [*wire.nic.addresses, *(pair.ip_address for pair in wire.nic.pairs)])
            for wire in state.wires
        )
        self.external = frozenset(state.outside)
        self.own_addresses = {
            network_id: set(self._find_own_addresses(state, network_id)) for network_id in self._network_ids(state)
        }
        self.connected = {network_id: {network_id} for network_id in self.own_addresses}
        self.external_gateways: dict[str, set[str]] = {}
        self.networks_with_uplink = set(state.outside)
        self.static_routes: dict[str, list[StaticRoute]] = {}
        self.floating_ips = {
            pack_ip_address(floating_ip.ip_address): self._translation_target(floating_ip)
            for floating_ip in state.floating_ips
        }
        self._floating_ip_of = {
            (target.network_id, target.address): address for address, target in self.floating_ips.items()
        }
        self._router_address_of: dict[str, bytes] = {}
        self._add_routers(state)
        self.bindings: set[Binding] = {
            *((address, target.port_id, target.address) for address, target in self.floating_ips.items()),
            *((address, network_id, b"") for network_id, address in self._router_address_of.items()),
        }

    def find_nat_binding(self, network_id: str, address: bytes) -> Binding | None:
        """Return the binding of an inner address to its floating IP, or else to its router's address."""
        if floating := self._floating_ip_of.get((network_id, address)):
            return floating, self.floating_ips[floating].port_id, address
        router = self._router_address_of.get(network_id)
        return (router, network_id, b"") if router else None

    def firewall_rules(self, nic: NicSpec) -> dict[str, list[CompiledRule]]:
        """Return the compiled security group rules of an interface."""
        return compile_rules_by_direction(self._security_rules(nic), self._group_members)

    def lease(self, nic: NicSpec) -> Lease | None:
        """Return what an interface gets by DHCP; None without DHCP."""
        for address in nic.addresses:
            subnet = self._find_subnet(nic.network_id, address)
            if subnet and subnet.enable_dhcp and ":" not in address:
                return self._make_lease(nic, address, subnet)
        return None

    def requesting_guest(self, nic: NicSpec) -> RequestingGuest | None:
        """Return the guest behind an interface, which asks for its metadata; None if it is not known."""
        machine_id = self.wires[nic.port_id].machine_id
        metadata, nics = self.guests.get(machine_id), self._nics_by_machine_id[machine_id]
        if metadata is None:
            return None
        subnets = [subnet for own in nics for subnet in self._advertised_subnets(own.network_id)]
        return RequestingGuest(
            metadata=metadata,
            mac_address=nic.mac_address,
            local_address=next((address for address in nic.addresses if ":" not in address), None),
            public_address=self._find_public_address(nic),
            network_data=network_data(nics, subnets, {own.network_id: self._mtu(own.network_id) for own in nics}),
        )

    def publicly_open_ports(self, port_id: str) -> Iterator[tuple[str, str, int]]:
        """Yield protocol, address and port of all that is open to every source, which the host forwards."""
        nic = self.wires[port_id].nic
        ports = {port_key for rule in self._security_rules(nic) for port_key in _ports_opened_by(rule)}
        ports |= {("tcp", port) for port in self.wires[port_id].public_ports}
        for address in nic.addresses:
            if ":" not in address:
                yield from ((protocol, address, port) for protocol, port in sorted(ports))

    def is_on_link(self, network_id: str, address: bytes) -> bool:
        """Return whether an address is in a subnet of the network."""
        return any(subnet_range.contains(address) for subnet_range in self._ranges.get(network_id, ()))

    def router_address(self, network_id: str, address: bytes) -> bytes:
        """Return the address from which a router asks for a neighbour, if possible in the same subnet."""
        ranges = [subnet_range for subnet_range in self._ranges.get(network_id, ()) if subnet_range.contains(address)]
        own_addresses = self.own_addresses.get(network_id, set())
        near = (own for own in own_addresses if any(subnet_range.contains(own) for subnet_range in ranges))
        return next(near, next(iter(own_addresses), UNSPECIFIED))

    def _translation_target(self, floating_ip: FloatingIPSpec) -> TranslationTarget:
        wire = self.wires.get(floating_ip.port_id)
        network_id = wire.nic.network_id if wire else floating_ip.network_id
        return TranslationTarget(floating_ip.port_id, pack_ip_address(floating_ip.fixed_ip_address), network_id)

    def _make_lease(self, nic: NicSpec, address: str, subnet: SubnetSpec) -> Lease:
        guest = self.guests.get(self.wires[nic.port_id].machine_id)
        return Lease(
            address=address,
            cidr=subnet.cidr,
            gateway=subnet.gateway_ip,
            resolvers=tuple(resolver for resolver in subnet.dns_nameservers if not self._is_unused_address(resolver)),
            routes=tuple(Route(route.destination, route.nexthop) for route in subnet.host_routes),
            mtu=self._mtu(nic.network_id),
            host_name=guest.host_name if guest else "machine",
        )

    def _mtu(self, network_id: str) -> int:
        return min(self.mtus.get(network_id, MTU), MTU)

    def _advertised_subnets(self, network_id: str) -> list[SubnetSpec]:
        """Return the subnets of a network as in seed disks: only a bridge has an IPv6 gateway."""
        return [
            subnet if network_id in self.bridges or ":" not in subnet.cidr else replace(subnet, gateway_ip=None)
            for subnet in self._subnets.get(network_id, ())
        ]

    def _find_public_address(self, nic: NicSpec) -> str | None:
        """Return the IPv4 address by which other hosts reach an interface: its floating IP, or its own."""
        for address in nic.addresses:
            if ":" in address:
                continue
            if nic.network_id in self.external:
                return address
            if floating := self._floating_ip_of.get((nic.network_id, pack_ip_address(address))):
                return str(ip_address(floating))
        return None

    def _is_unused_address(self, address: str) -> bool:
        """Return whether no machine has an address in one of the fabric's networks: there is no resolver then."""
        if any(address in wire.nic.addresses for wire in self.wires.values()):
            return False
        return any(self._find_subnet(network_id, address) for network_id in self._subnets)

    def _security_rules(self, nic: NicSpec) -> list[NewRule]:
        return [rule for group in nic.groups for rule in self._rules.get(group, ())]

    def _find_subnet(self, network_id: str, address: str) -> SubnetSpec | None:
        candidates = self._subnets.get(network_id, ())
        return next((subnet for subnet in candidates if ip_address(address) in ip_network(subnet.cidr)), None)

    def _network_ids(self, state: FabricState) -> set[str]:
        return {*self.mtus, *self._subnets, *(wire.nic.network_id for wire in state.wires)}

    def _find_own_addresses(self, state: FabricState, network_id: str) -> Iterator[bytes]:
        """Yield the addresses that the fabric answers for in a network.

        These are floating IPs and addresses of routers and gateways; bridged networks have gateways of their own.
        """
        machines = {ip for wire in state.wires for ip in _addresses_in(wire.nic, network_id)}
        addresses = {
            ip for router_state in state.routers for ip in _addresses_in(router_state.router.outside, network_id)
        }
        if network_id in self.external:
            addresses |= {
                floating_ip.ip_address
                for floating_ip in state.floating_ips
                if self._find_subnet(network_id, floating_ip.ip_address)
            }
        if network_id not in self.bridges:
            addresses |= {subnet.gateway_ip for subnet in self._subnets.get(network_id, ()) if subnet.gateway_ip}
            addresses |= {
                ip
                for router_state in state.routers
                for nic in router_state.nics
                for ip in _addresses_in(nic, network_id)
            }
        yield from (pack_ip_address(ip) for ip in addresses - machines if ":" not in ip)

    def _add_routers(self, state: FabricState) -> None:
        """Record which networks routers connect, and which external networks are their gateways.

        Tenants share external networks and choose their own subnets and routes, which could be anybody's addresses.
        None of these count in an external network: only floating IPs lead from there to machines behind a router.
        """
        for router_state in state.routers:
            gateway = router_state.router.outside
            inner_ids = {nic.network_id for nic in router_state.nics} - self.external
            for network_id in inner_ids:
                self.connected.setdefault(network_id, {network_id}).update(inner_ids)
                self.static_routes.setdefault(network_id, []).extend(map(_static_route, router_state.router.routes))
            if gateway:
                self._add_external_gateway(inner_ids, gateway, router_state.router)

    def _add_external_gateway(self, inner_ids: set[str], gateway: NicSpec, router: RouterSpec) -> None:
        self.networks_with_uplink |= inner_ids
        address = next((address for address in gateway.addresses if ":" not in address), None)
        for network_id in inner_ids:
            self.external_gateways.setdefault(network_id, set()).add(gateway.network_id)
            if router.translates and address:
                self._router_address_of.setdefault(network_id, pack_ip_address(address))


@lru_cache(4096)
def gateway_mac_address(network_id: str) -> bytes:
    """Return the fabric's own hardware address in a network."""
    return b"\x02" + hashlib.sha256(network_id.encode()).digest()[:5]


def _by_network(subnets: Iterable[SubnetSpec]) -> dict[str, list[SubnetSpec]]:
    by_network: dict[str, list[SubnetSpec]] = {}
    for subnet in subnets:
        by_network.setdefault(subnet.network_id, []).append(subnet)
    return by_network


def _addresses_in(nic: NicSpec | None, network_id: str) -> list[str]:
    return nic.addresses if nic and nic.network_id == network_id else []


def _static_route(route: Route) -> StaticRoute:
    network = ip_network(route.destination)
    return StaticRoute(int(network.network_address), int(network.netmask), pack_ip_address(route.nexthop))


def _ports_opened_by(rule: NewRule) -> Iterator[tuple[str, int]]:
    """Yield protocols and ports that a rule opens to every source; for a rule for all protocols, those of TCP."""
    open_to_all = rule.direction == IN and rule.remote_group_id is None and rule.remote_ip_prefix in ANY_SOURCE
    if not open_to_all or rule.ethertype == "IPv6" or rule.protocol not in (None, "any", "tcp", "udp", "6", "17"):
        return
    low, high = rule.port_range_min or 1, rule.port_range_max or 65535
    protocol = "udp" if rule.protocol in ("udp", "17") else "tcp"
    ports = range(low, high + 1) if high - low < RANGE_LIMIT else [port for port in COMMON_PORTS if low <= port <= high]
    yield from ((protocol, port) for port in ports)
