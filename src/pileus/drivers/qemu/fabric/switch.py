"""Switching of frames within a network, with protection against spoofed addresses."""

from pileus.drivers.qemu.fabric import dhcp
from pileus.drivers.qemu.fabric.firewall import IN, OUT
from pileus.drivers.qemu.fabric.frames import (
    ARP,
    ETHERNET,
    ICMPV6,
    IPV4,
    IPV6,
    REPLY,
    REQUEST,
    TCP,
    UDP,
    Packet,
    build_arp_frame,
    pack_ip_address,
    parse_ip_packet,
)
from pileus.drivers.qemu.fabric.ports import SwitchPort
from pileus.drivers.qemu.fabric.routing import LINK_LOCAL, Endpoint, Routing, is_dhcp_reply, is_neighbour_discovery
from pileus.drivers.qemu.fabric.slirp import RESOLVER
from pileus.drivers.qemu.fabric.tables import UNSPECIFIED, gateway_mac_address
from pileus.drivers.qemu.fabric.taps import Tap

METADATA_IP, RESOLVER_IP = pack_ip_address(dhcp.METADATA), pack_ip_address(RESOLVER)
ARP_SIZE = 42
"""Bytes of a complete ARP frame."""
ROUTER_ONLY_TYPES = frozenset({134, 137})
"""ICMPv6 types that only routers may send."""
DHCPV6_REQUEST_PORTS = (546, 547)
ADVERTISEMENT, ADVERTISED_ADDRESS = 136, ETHERNET + 48
"""The ICMPv6 type that announces an address, and the offset of that address in a frame."""


class Switch(Routing):
    """Handles the frames of machines, of libslirp and of bridges."""

    def handle_machine_frame(self, port: SwitchPort, frame: bytes) -> None:
        """Handle a frame from a machine."""
        self.malformed += len(frame) < ETHERNET
        if len(frame) < ETHERNET or (port.checks_source and frame[6:12] not in port.macs):
            port.counters.dropped += 1
            return
        if frame[6:12] != port.mac:
            self.learn_shared_mac_address(port, frame[6:12])
        kind = int.from_bytes(frame[12:14], "big")
        if kind == IPV4:
            forwarded = self._handle_ipv4(port, frame)
        elif kind == ARP:
            forwarded = self._handle_arp(port, frame)
        elif kind == IPV6:
            forwarded = self._handle_ipv6(port, frame)
        else:
            forwarded = not port.checks_source and self._forward(port, frame, None)
        port.counters.dropped += not forwarded

    def handle_uplink_frame(self, port: SwitchPort, frame: bytes) -> None:
        """Handle a frame for a machine from outside of the host."""
        packet = parse_ip_packet(frame)
        if packet is None:
            return
        is_service = packet.source in (METADATA_IP, RESOLVER_IP)
        if is_service or not port.nic.secured or port.firewall.accept(packet, IN):
            port.send(port.mac + gateway_mac_address(port.network_id) + frame[12:])
        else:
            port.counters.dropped += 1

    def handle_bridge_frame(self, tap: Tap, frame: bytes) -> None:
        """Handle a frame from a bridge of the host."""
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ARP and self._answer_arp(tap, frame):
            return
        packet = parse_ip_packet(frame) if kind in (IPV4, IPV6) else None
        if packet and kind == IPV4 and frame[:6] == gateway_mac_address(tap.network_id):
            self.route(tap, frame, packet)
        else:
            self._forward(tap, frame, packet)

    def _handle_arp(self, port: SwitchPort, frame: bytes) -> bool:
        if len(frame) < ARP_SIZE:
            self.malformed += 1
            return False
        sender_ip = frame[28:32]
        is_genuine = frame[22:28] in port.macs and (sender_ip == UNSPECIFIED or port.may_send_from(sender_ip))
        if port.checks_source and not is_genuine:
            return False
        if sender_ip != UNSPECIFIED:
            self.learn_neighbour(port, frame[22:28], sender_ip)
        is_for_router = frame[:6] == gateway_mac_address(port.network_id)
        return self._answer_arp(port, frame) or is_for_router or self._forward(port, frame, None)

    def _answer_arp(self, endpoint: Endpoint, frame: bytes) -> bool:
        """Answer an ARP request for an address of the fabric. Return whether it was one."""
        sender_ip, target = frame[28:32], frame[38:42]
        is_link_local = isinstance(endpoint, SwitchPort) and target[:2] == LINK_LOCAL and sender_ip[:2] != LINK_LOCAL
        is_own = is_link_local or target in self.tables.own_addresses.get(endpoint.network_id, ())
        if not is_own or int.from_bytes(frame[20:22], "big") != REQUEST:
            return False
        endpoint.send(
            build_arp_frame(REPLY, (gateway_mac_address(endpoint.network_id), target), (frame[22:28], sender_ip))
        )
        return True

    def _handle_ipv4(self, port: SwitchPort, frame: bytes) -> bool:  # noqa: PLR0911  # one for each way that a packet can take
        packet = parse_ip_packet(frame)
        if packet is None:
            self.malformed += 1
            return False
        if packet.protocol == UDP and (packet.sport, packet.dport) == (dhcp.CLIENT_PORT, dhcp.SERVER_PORT):
            return self._answer_dhcp(port, frame, packet)
        if port.checks_source and (not port.may_send_from(packet.source) or is_dhcp_reply(packet)):
            return False
        if _is_service(packet):
            return self.send_to_uplink(port, frame)
        if port.nic.secured and not port.firewall.accept(packet, OUT):
            return False
        if frame[:6] == gateway_mac_address(port.network_id):
            return self.route(port, frame, packet)
        return self._forward(port, frame, packet)

    def _handle_ipv6(self, port: SwitchPort, frame: bytes) -> bool:
        packet = parse_ip_packet(frame)
        if packet is None:
            self.malformed += 1
            return False
        if port.checks_source:
            is_genuine = not any(packet.source) or port.may_send_from(packet.source)
            if not is_genuine or is_dhcp_reply(packet) or _is_spoofed_advertisement(port, frame, packet):
                return False
        always_passes = is_neighbour_discovery(packet) or _is_dhcpv6_request(packet)
        if port.nic.secured and not (always_passes or port.firewall.accept(packet, OUT)):
            return False
        return self._forward(port, frame, packet)

    def _answer_dhcp(self, port: SwitchPort, frame: bytes, packet: Packet) -> bool:
        """Answer a DHCP request. Without DHCP in the subnet, forward it: a machine or a host may be the server."""
        lease = self.tables.lease(port.nic)
        reply = dhcp.build_dhcp_reply(frame, lease, gateway_mac_address(port.network_id))
        if reply is not None:
            port.send(reply)
        elif lease is None or port.network_id in self.taps:
            is_genuine = packet.source == UNSPECIFIED or port.may_send_from(packet.source)
            return (is_genuine or not port.checks_source) and self._forward(port, frame, packet)
        return True

    def _forward(self, endpoint: Endpoint, frame: bytes, packet: Packet | None) -> bool:
        """Forward a frame within its network: to one endpoint, or to all others.

        Replies of DHCP servers pass all firewalls: machines that could abuse that cannot send them.
        """
        if packet and is_dhcp_reply(packet):
            packet = None
        tap = self.taps.get(endpoint.network_id)
        other_tap = tap if tap is not endpoint else None
        if frame[0] & 1:
            for other in self.in_network.get(endpoint.network_id, ()):
                if other is not endpoint:
                    self.deliver(other, frame, packet)
            return other_tap.send(frame) if other_tap else True
        port = self.by_mac.get((endpoint.network_id, frame[:6]))
        if port is not None:
            return self.deliver(port, frame, packet)
        return other_tap.send(frame) if other_tap else False


def _is_spoofed_advertisement(port: SwitchPort, frame: bytes, packet: Packet) -> bool:
    """Return whether a machine claims to be a router, or to have an address that it may not use (RFC 4861)."""
    if packet.protocol != ICMPV6 or packet.kind not in (*ROUTER_ONLY_TYPES, ADVERTISEMENT):
        return False
    has_no_extension_headers = frame[ETHERNET + 6] == ICMPV6
    return not (
        has_no_extension_headers
        and packet.kind == ADVERTISEMENT
        and port.may_send_from(frame[ADVERTISED_ADDRESS : ADVERTISED_ADDRESS + 16])
    )


def _is_dhcpv6_request(packet: Packet) -> bool:
    return packet.version == 6 and packet.protocol == UDP and (packet.sport, packet.dport) == DHCPV6_REQUEST_PORTS


def _is_service(packet: Packet) -> bool:
    """Return whether a packet is for the metadata service or the resolver, which every machine may use."""
    if packet.target == METADATA_IP:
        return packet.protocol == TCP and packet.dport == 80  # of HTTP
    return packet.target == RESOLVER_IP and packet.protocol in (TCP, UDP) and packet.dport == 53  # of DNS
