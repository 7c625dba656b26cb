"""Routing of packets between networks and out of the host, and the tables that it uses."""

import ctypes
from typing import Protocol

from pileus.drivers.qemu.fabric.firewall import IN
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    ICMPV6,
    UDP,
    Packet,
    build_icmp_frame,
    pack_ip_address,
    parse_ip_packet,
    routed_ipv4_frame,
    translated_icmp_error,
    translated_ipv4_frame,
)
from pileus.drivers.qemu.fabric.nat import Binding, Nat, Translation
from pileus.drivers.qemu.fabric.ports import SwitchPort
from pileus.drivers.qemu.fabric.slirp import HOST
from pileus.drivers.qemu.fabric.state import FabricState
from pileus.drivers.qemu.fabric.tables import NetworkTables, TranslationTarget, gateway_mac_address
from pileus.drivers.qemu.fabric.taps import Tap
from pileus.drivers.qemu.fabric.uplink import Uplink  # noqa: TC001  # an attribute's type
from pileus.outbound.ssrf_guard import CLOUD_SERVICES

HOST_IP = pack_ip_address(HOST)
LINK_LOCAL, HOST_LOCAL, MULTICAST = b"\xa9\xfe", (0, 127), 224
"""The first bytes of addresses that are not routed: link-local, local to a host, multicast and above (RFC 6890)."""
PROVIDER_ADDRESSES = frozenset(address.packed for address in CLOUD_SERVICES)
"""Services that a cloud provider offers to the host: machines of tenants must not reach them."""
NEIGHBOUR_TYPES = frozenset({133, 135, 136, 130, 131, 132, 143})
"""ICMPv6 types of neighbour discovery and multicast listeners, which always pass (RFC 4861, 3810)."""

DHCP_REPLY_PORTS = frozenset({(4, 67, 68), (6, 547, 546)})
"""IP version, source port and destination port of what DHCP servers send (RFC 2131, 8415)."""


class Endpoint(Protocol):
    """A source and destination of frames: the port of a machine, or a network of the host."""

    id: str
    network_id: str

    def send(self, frame: bytes) -> object:
        """Send a frame."""


class Routing:
    """All endpoints, and the routing tables."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.tables = NetworkTables(FabricState(revision=0))
        self.nat = Nat()
        self.malformed = 0
        self.ports: dict[str, SwitchPort] = {}
        self.uplinks: dict[str, Uplink] = {}
        self.taps: dict[str, Tap] = {}
        self.by_mac: dict[tuple[str, bytes], SwitchPort] = {}
        self.by_address: dict[tuple[str, bytes], SwitchPort] = {}
        self.in_network: dict[str, list[SwitchPort]] = {}

    def rebuild_index(self) -> None:
        """Rebuild the tables after ports have changed."""
        self.by_mac, self.by_address, self.in_network = {}, {}, {}
        for port in self.ports.values():
            self.in_network.setdefault(port.network_id, []).append(port)
            self.by_mac |= {(port.network_id, mac): port for mac in port.macs}
            self.by_address |= {(port.network_id, address): port for address in port.addresses}
        self.nat.remove_stale_connections(self.tables.bindings, {*self.ports, *self.tables.bridges})

    def route(self, endpoint: Endpoint, frame: bytes, packet: Packet) -> bool:
        """Route a packet that was sent to the gateway of a network. Return whether it was sent on."""
        target = packet.target
        if translation := self.nat.look_up(endpoint.id, packet, frame[6:12]):
            return self._send_translated(translation, frame, packet)
        floating_target = self.tables.floating_ips.get(target)
        if floating_target and endpoint.network_id in self.tables.networks_with_uplink:
            return self._open_to_floating_ip(endpoint, frame, packet, floating_target)
        if target in self.tables.own_addresses[endpoint.network_id]:
            return self._answer_ping(endpoint, frame, packet)
        if not isinstance(endpoint, SwitchPort) or not is_routable_address(target):
            return target == HOST_IP and isinstance(endpoint, SwitchPort) and self.send_to_uplink(endpoint, frame)
        return self._route_to_network(endpoint, frame, packet)

    def send_to_uplink(self, port: SwitchPort, frame: bytes) -> bool:
        """Send a frame out of the host, or to the services of its machine. Return whether it was sent."""
        uplink = self.uplinks.get(port.id)
        return uplink is not None and uplink.send(frame)

    def deliver(self, port: SwitchPort, frame: bytes, packet: Packet | None) -> bool:
        """Send a frame to a machine if its firewall accepts it. Return whether it does."""
        accepted = (
            packet is None or not port.nic.secured or is_neighbour_discovery(packet) or port.firewall.accept(packet, IN)
        )
        if accepted:
            port.send(frame)
        return accepted

    def _route_to_network(self, port: SwitchPort, frame: bytes, packet: Packet) -> bool:
        """Route to a machine in a connected network, to an external network, or out of the host."""
        network_id, target = port.network_id, packet.target
        next_hop = self._next_hop(network_id, target)
        target_port = self._find_port(network_id, target) or self._find_port(network_id, next_hop)
        if target_port:
            return self._send_routed(target_port, None, frame, packet)
        for external_id in self.tables.external_gateways.get(network_id, ()):
            if external_port := self.by_address.get((external_id, target)):
                return self._open_connection(port, frame, packet, (external_port, target), ())
        if network_id in self.tables.networks_with_uplink:
            return self.send_to_uplink(port, frame)
        return self._send_unreachable(port, frame, packet)

    def _find_port(self, network_id: str, address: bytes) -> SwitchPort | None:
        """Return the port with an address, in the network or in those that a router connects with it."""
        ports = (
            self.by_address.get((connected_id, address)) for connected_id in self.tables.connected.get(network_id, ())
        )
        return next((port for port in ports if port), None)

    def _next_hop(self, network_id: str, target: bytes) -> bytes:
        """Return the next hop of a static route; empty without one."""
        number = int.from_bytes(target, "big")
        hops = self.tables.static_routes.get(network_id, ())
        return next((hop.nexthop for hop in hops if number & hop.mask == hop.network), b"")

    def _open_to_floating_ip(
        self, endpoint: Endpoint, frame: bytes, packet: Packet, floating_target: TranslationTarget
    ) -> bool:
        """Open a connection to the port behind a floating IP."""
        target_port = self.ports.get(floating_target.port_id)
        if target_port is None:
            return self._send_unreachable(endpoint, frame, packet)
        binding = (packet.target, floating_target.port_id, floating_target.address)
        return self._open_connection(endpoint, frame, packet, (target_port, floating_target.address), (binding,))

    def _open_connection(
        self,
        endpoint: Endpoint,
        frame: bytes,
        packet: Packet,
        destination: tuple[SwitchPort, bytes],
        bindings: tuple[Binding, ...],
    ) -> bool:
        """Open a connection to an address of a port, with the public address of the source."""
        target_port, target = destination
        source = packet.source
        public = self.tables.find_nat_binding(endpoint.id, endpoint.network_id, source)
        if endpoint.network_id not in self.tables.external:
            if public is None:
                return self._send_unreachable(endpoint, frame, packet)
            source, bindings = public[0], (*bindings, public)
        translation = self.nat.open_connection(
            (endpoint.id, frame[6:12]), target_port.id, packet, (source, target), bindings
        )
        return translation is not None and self._send_translated(translation, frame, packet)

    def _send_translated(self, translation: Translation, frame: bytes, packet: Packet) -> bool:
        """Send a packet of a connection to its other endpoint, translated."""
        target_port = self.ports.get(translation.endpoint_id) or self.taps.get(translation.endpoint_id)
        if target_port is None:
            return False
        changed = (
            translated_icmp_error(frame, translation.ends)
            if packet.quoted
            else translated_ipv4_frame(frame, translation.ends)
        )
        return self._send_routed(target_port, translation.mac, changed, parse_ip_packet(changed) or packet)

    def _send_routed(self, target_port: SwitchPort | Tap, mac: bytes | None, frame: bytes, packet: Packet) -> bool:
        if isinstance(target_port, SwitchPort):
            sent = routed_ipv4_frame(frame, gateway_mac_address(target_port.network_id), target_port.mac)
            return sent is not None and self.deliver(target_port, sent, packet)
        sent = routed_ipv4_frame(frame, gateway_mac_address(target_port.network_id), mac) if mac else None
        return sent is not None and target_port.send(sent)

    def _answer_ping(self, endpoint: Endpoint, frame: bytes, packet: Packet) -> bool:
        """Answer a ping to an address of the fabric."""
        if packet.protocol != ICMP or packet.kind != 8:  # an echo request
            return False
        start = ETHERNET + 4 * (frame[ETHERNET] & 15)
        length = int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4], "big")
        ends = (gateway_mac_address(endpoint.network_id), frame[6:12])
        endpoint.send(
            build_icmp_frame(ends, (packet.target, packet.source), 0, 0, frame[start + 4 : ETHERNET + length])
        )
        return True

    def _send_unreachable(self, endpoint: Endpoint, frame: bytes, packet: Packet) -> bool:
        gateway = next(iter(self.tables.own_addresses[endpoint.network_id]), None)
        if gateway and packet.first and packet.quoted is None:
            ends = (gateway_mac_address(endpoint.network_id), frame[6:12])
            endpoint.send(
                build_icmp_frame(ends, (gateway, packet.source), 3, 0, bytes(4) + frame[ETHERNET : ETHERNET + 28])
            )
        return False


def is_routable_address(target: bytes) -> bool:
    """Return whether an IPv4 address is routed."""
    return (
        target[0] not in HOST_LOCAL
        and target[0] < MULTICAST
        and target[:2] != LINK_LOCAL
        and target not in PROVIDER_ADDRESSES
    )


def is_dhcp_reply(packet: Packet) -> bool:
    """Return whether a packet is from a DHCP server to a client."""
    return packet.protocol == UDP and (packet.version, packet.sport, packet.dport) in DHCP_REPLY_PORTS


def is_neighbour_discovery(packet: Packet) -> bool:
    """Return whether a packet is one of those that an IPv6 network needs to work."""
    return packet.protocol == ICMPV6 and packet.kind in NEIGHBOUR_TYPES
