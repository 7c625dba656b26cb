"""Routing of packets between networks and out of the host, and the tables that it uses."""

import ctypes
from collections.abc import Iterable
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
from pileus.drivers.qemu.fabric.neighbours import Neighbour, NeighbourTable
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
        self.neighbours = NeighbourTable(self.tables)
        self.in_network: dict[str, list[SwitchPort]] = {}

    def rebuild_index(self) -> None:
        """Rebuild the tables after ports have changed."""
        previous, self.by_mac, self.in_network = self.by_mac, {}, {}
        for port in self.ports.values():
            self.in_network.setdefault(port.network_id, []).append(port)
            self.by_mac |= {(port.network_id, mac): port for mac in port.macs}
        self.by_mac |= {
            (network_id, mac): port for (network_id, mac), port in previous.items()
            if self.ports.get(port.id) is port and mac in port.macs
        }  # fmt: skip
        self.by_mac |= {(port.network_id, port.mac): port for port in self.ports.values()}
        for port_id, address in self.neighbours.rebuild(self.ports, self.tables):
            self.nat.remove_connections_of_address(port_id, address)
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

    def learn_neighbour(self, port: SwitchPort, mac: bytes, address: bytes) -> None:
        """Learn from ARP that a machine has an address, and route the packets that wait for it."""
        previous = self.neighbours.learn(port, mac, address)
        if previous is not None and previous is not port:
            self.nat.remove_connections_of_address(previous.id, address)
        for waiting in self.neighbours.take_waiting(port.network_id, address):
            endpoint, packet = self._find_endpoint(waiting.endpoint_id), parse_ip_packet(waiting.frame)
            if endpoint and packet:
                self.route(endpoint, waiting.frame, packet)

    def learn_shared_mac_address(self, port: SwitchPort, mac: bytes) -> None:
        """Learn which machine uses a hardware address that several may have by their address pairs, as VRRP does."""
        current = self.by_mac.get((port.network_id, mac))
        if mac in port.macs and current is not None and current.mac != mac:
            self.by_mac[port.network_id, mac] = port

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
        connected_ids = self.tables.connected.get(network_id, ())
        for address in (target, self._next_hop(network_id, target)):
            if (connected_id := self._locate(connected_ids, address)) is not None:
                if neighbour := self._resolve(connected_id, address, port, frame):
                    return self._send_routed(neighbour.port, neighbour.mac, frame, packet)
                return True
        external_id = self._locate(self.tables.external_gateways.get(network_id, ()), target)
        if external_id is not None:
            return self._open_connection(port, frame, packet, (external_id, target), ())
        if network_id in self.tables.networks_with_uplink:
            return self.send_to_uplink(port, frame)
        return self._send_unreachable(port, frame, packet)

    def _locate(self, network_ids: Iterable[str], address: bytes) -> str | None:
        """Return the network in which a machine has an address, or may answer a request for it."""
        reachable = (network_id for network_id in network_ids if self.neighbours.may_reach(network_id, address))
        return next(reachable, None)

    def _resolve(self, network_id: str, address: bytes, endpoint: Endpoint, frame: bytes) -> Neighbour | None:
        """Return who has an address; None if the frame now waits for the answer."""
        neighbour = self.neighbours.find(network_id, address)
        if neighbour is None:
            self.neighbours.add_waiting(network_id, address, endpoint.id, frame)
        return neighbour

    def _find_endpoint(self, endpoint_id: str) -> SwitchPort | Tap | None:
        return self.ports.get(endpoint_id) or self.taps.get(endpoint_id)

    def _next_hop(self, network_id: str, target: bytes) -> bytes:
        """Return the next hop of a static route; empty without one."""
        number = int.from_bytes(target, "big")
        hops = self.tables.static_routes.get(network_id, ())
        return next((hop.nexthop for hop in hops if number & hop.mask == hop.network), b"")

    def _open_to_floating_ip(
        self, endpoint: Endpoint, frame: bytes, packet: Packet, floating_target: TranslationTarget
    ) -> bool:
        """Open a connection to the port behind a floating IP."""
        network_id, address = floating_target.network_id, floating_target.address
        if network_id is None or not self.neighbours.may_reach(network_id, address):
            return self._send_unreachable(endpoint, frame, packet)
        binding = (packet.target, floating_target.port_id, address)
        return self._open_connection(endpoint, frame, packet, (network_id, address), (binding,))

    def _open_connection(
        self,
        endpoint: Endpoint,
        frame: bytes,
        packet: Packet,
        destination: tuple[str, bytes],
        bindings: tuple[Binding, ...],
    ) -> bool:
        """Open a connection to an address in a network, with the public address of the source."""
        neighbour = self._resolve(*destination, endpoint, frame)
        if neighbour is None:
            return True
        source = packet.source
        public = self.tables.find_nat_binding(endpoint.network_id, source)
        if endpoint.network_id not in self.tables.external:
            if public is None:
                return self._send_unreachable(endpoint, frame, packet)
            source, bindings = public[0], (*bindings, public)
        translation = self.nat.open_connection(
            (endpoint.id, frame[6:12]), (neighbour.port.id, neighbour.mac), packet, (source, destination[1]), bindings
        )
        return translation is not None and self._send_translated(translation, frame, packet)

    def _send_translated(self, translation: Translation, frame: bytes, packet: Packet) -> bool:
        """Send a packet of a connection to its other endpoint, translated."""
        target_port = self._find_endpoint(translation.endpoint_id)
        if target_port is None:
            return False
        if isinstance(target_port, SwitchPort):
            # It asks again whether the machine still has the address.
            self.neighbours.find(target_port.network_id, translation.ends.target)
        changed = (
            translated_icmp_error(frame, translation.ends)
            if packet.quoted
            else translated_ipv4_frame(frame, translation.ends)
        )
        return self._send_routed(target_port, translation.mac, changed, parse_ip_packet(changed) or packet)

    def _send_routed(self, target_port: SwitchPort | Tap, mac: bytes, frame: bytes, packet: Packet) -> bool:
        sent = routed_ipv4_frame(frame, gateway_mac_address(target_port.network_id), mac)
        if sent is None:
            return False
        return (
            self.deliver(target_port, sent, packet) if isinstance(target_port, SwitchPort) else target_port.send(sent)
        )

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
