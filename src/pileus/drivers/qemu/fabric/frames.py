"""Frames of Ethernet, ARP, IP, UDP and ICMP: parse and build them (RFC 826, 791, 8200, 768, 792)."""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from msgspec import Struct

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ETHERTYPES = {4: IPV4, 6: IPV6}
"""The Ethernet type of each version of IP."""
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FRAGMENT_HEADER, EXTENSION_HEADERS = 44, frozenset({0, 43, 44, 60})
"""Extension headers of IPv6, which precede the payload (RFC 8200)."""
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
ETHERNET, IPV4_HEADER, IPV6_HEADER = 14, 20, 40
MORE_FRAGMENTS, OFFSET_MASK = 0x2000, 0x1FFF
CHECKSUM_OFFSETS = {TCP: 16, UDP: 6, ICMP: 2}
"""The offset of the checksum in a protocol's header."""


class AddressesAndPorts(NamedTuple):
    """Source and destination; for an ICMP echo both ports are its identifier."""

    source: bytes
    sport: int
    target: bytes
    dport: int


class PortRewrite(NamedTuple):
    """The offset of the ports in a frame, or of an echo's identifier, and their new content."""

    offset: int
    content: bytes


class Packet(Struct):
    """The fields of an IP packet that decide on its route: packed addresses, protocol and ports.

    For ICMP echo both ports are the identifier; `kind` and `code` are the type and code of ICMP. `quoted` is the packet
    in an ICMP error. Only the first fragment of a packet has ports.
    """

    version: int
    protocol: int
    source: bytes
    target: bytes
    sport: int = 0
    dport: int = 0
    kind: int = -1
    code: int = -1
    fragment: bool = False
    first: bool = True
    quoted: "Packet | None" = None


def parse_ip_packet(frame: bytes, offset: int = ETHERNET, depth: int = 0) -> Packet | None:
    """Parse the IP packet in a frame; return None for other frames and for truncated ones."""
    if len(frame) < offset + IPV4_HEADER:
        return None
    if offset == ETHERNET and int.from_bytes(frame[12:14], "big") != ETHERTYPES.get(frame[offset] >> 4):
        return None
    if frame[offset] >> 4 == 4:  # the version of IP
        return _parse_ipv4(frame, offset, depth) if frame[offset] & 15 >= IPV4_HEADER // 4 else None
    return _parse_ipv6(frame, offset, depth) if frame[offset] >> 4 == 6 and len(frame) >= offset + IPV6_HEADER else None


def _parse_ipv4(frame: bytes, offset: int, depth: int) -> Packet:
    fragment_field = int.from_bytes(frame[offset + 6 : offset + 8], "big")
    packet = Packet(4, frame[offset + 9], frame[offset + 12 : offset + 16], frame[offset + 16 : offset + 20])
    packet.fragment = bool(fragment_field & (MORE_FRAGMENTS | OFFSET_MASK))
    packet.first = not fragment_field & OFFSET_MASK
    if packet.first:
        _parse_payload(packet, frame, offset + 4 * (frame[offset] & 15), depth)
    return packet


def _parse_ipv6(frame: bytes, offset: int, depth: int) -> Packet:
    packet = Packet(6, frame[offset + 6], frame[offset + 8 : offset + 24], frame[offset + 24 : offset + 40])
    offset += IPV6_HEADER
    # An ICMP error comes after its extension headers, where the firewall has to find it too.
    while packet.protocol in EXTENSION_HEADERS and len(frame) >= offset + 8:
        length = 8
        if packet.protocol == FRAGMENT_HEADER:
            fragment_field = int.from_bytes(frame[offset + 2 : offset + 4], "big")
            packet.fragment, packet.first = True, fragment_field < 8  # the upper 13 bits are the offset
        else:
            length += 8 * frame[offset + 1]
        packet.protocol, offset = frame[offset], offset + length
        if not packet.first:
            return packet
    _parse_payload(packet, frame, offset, depth)
    return packet


def _parse_payload(packet: Packet, frame: bytes, offset: int, depth: int) -> None:
    """Parse the ports, or the type and code of ICMP."""
    if packet.protocol in (TCP, UDP) and len(frame) >= offset + 4:
        packet.sport, packet.dport = struct.unpack_from("!HH", frame, offset)
    elif packet.protocol in (ICMP, ICMPV6) and len(frame) >= offset + 8:
        packet.kind, packet.code = frame[offset], frame[offset + 1]
        if packet.kind in ((0, 8) if packet.protocol == ICMP else (128, 129)):
            packet.sport = packet.dport = int.from_bytes(frame[offset + 4 : offset + 6], "big")
        elif depth == 0 and packet.kind in ((3, 11, 12) if packet.protocol == ICMP else (1, 2, 3, 4)):
            packet.quoted = parse_ip_packet(frame, offset + 8, 1)


def parse_mac_address(text: str) -> bytes:
    """Convert a hardware address to six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def link_local_address(mac_address: bytes) -> bytes:
    """Return the link-local address of an interface, by its hardware address (RFC 4291, appendix A)."""
    return b"\xfe\x80" + bytes(6) + bytes((mac_address[0] ^ 2,)) + mac_address[1:3] + b"\xff\xfe" + mac_address[3:]


def pack_ip_address(address: str) -> bytes:
    """Convert an IP address to four or sixteen bytes."""
    return (IPv6Address(address) if ":" in address else IPv4Address(address)).packed


def build_arp_frame(operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    """Build an ARP frame; sender and target are pairs of hardware and IP address."""
    destination = BROADCAST if operation == REQUEST else target[0]
    return struct.pack("!6s6sHHHBBH", destination, sender[0], ARP, 1, IPV4, 6, 4, operation) + b"".join(
        (*sender, *target)
    )


def build_ipv4_frame(
    mac_addresses: tuple[bytes, bytes], ip_addresses: tuple[bytes, bytes], protocol: int, payload: bytes
) -> bytes:
    """Build an IPv4 packet; each pair of addresses is source and destination."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, IPV4_HEADER + len(payload), 0, 0, 64, protocol, 0) + b"".join(ip_addresses)
    summed = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
    return mac_addresses[1] + mac_addresses[0] + IPV4.to_bytes(2, "big") + summed + payload


def build_udp_frame(
    mac_addresses: tuple[bytes, bytes], ip_addresses: tuple[bytes, bytes], ports: tuple[int, int], payload: bytes
) -> bytes:
    """Build a UDP datagram without a checksum, which is optional in IPv4."""
    return build_ipv4_frame(
        mac_addresses, ip_addresses, UDP, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    )


def build_icmp_frame(
    mac_addresses: tuple[bytes, bytes], ip_addresses: tuple[bytes, bytes], kind: int, code: int, payload: bytes
) -> bytes:
    """Build an ICMP message; the payload begins after the checksum."""
    message = bytes((kind, code, 0, 0)) + payload
    return build_ipv4_frame(
        mac_addresses, ip_addresses, ICMP, message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    )


def internet_checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def routed_ipv4_frame(frame: bytes, source_mac: bytes, target_mac: bytes) -> bytes | None:
    """Return an IPv4 frame as a router forwards it, with new hardware addresses; None if its TTL expires."""
    if frame[ETHERNET + 8] <= 1:
        return None
    head = bytearray(frame[ETHERNET : ETHERNET + 4 * (frame[ETHERNET] & 15)])
    head[8] -= 1
    head[10:12] = b"\0\0"
    head[10:12] = internet_checksum(bytes(head)).to_bytes(2, "big")
    return target_mac + source_mac + frame[12:ETHERNET] + bytes(head) + frame[ETHERNET + len(head) :]


def is_well_formed_ipv4(frame: bytes) -> bool:
    """Return whether a frame holds a complete, unfragmented IPv4 packet of TCP, UDP or ICMP with consistent lengths."""
    head = frame[ETHERNET:]
    if len(head) < IPV4_HEADER or head[0] != 0x45:  # version 4, a header without options
        return False
    length, fragment_field = struct.unpack_from("!HxxH", head, 2)
    if (
        fragment_field & (MORE_FRAGMENTS | OFFSET_MASK)
        or not IPV4_HEADER <= length <= len(head)
        or internet_checksum(head[:IPV4_HEADER])
    ):
        return False
    protocol, content = head[9], head[IPV4_HEADER:length]
    if protocol == UDP:
        return len(content) >= 8 and int.from_bytes(content[4:6], "big") == len(content)
    if protocol == TCP:
        return len(content) >= 20 and 20 <= 4 * (content[12] >> 4) <= len(content)
    return protocol == ICMP and len(content) >= 8  # the shortest header of each


def reversed_ends(ends: AddressesAndPorts) -> AddressesAndPorts:
    """Return the ends of replies."""
    return AddressesAndPorts(ends.target, ends.dport, ends.source, ends.sport)


def translated_ipv4_frame(frame: bytes, ends: AddressesAndPorts) -> bytes:
    """Return an IPv4 frame with other addresses and ports, and updated checksums."""
    changed, start = bytearray(frame), ETHERNET + 4 * (frame[ETHERNET] & 15)
    old, new = frame[ETHERNET + 12 : ETHERNET + 20], ends.source + ends.target
    changed[ETHERNET + 12 : ETHERNET + 20] = new
    _update_checksum(changed, ETHERNET + 10, old, new)
    protocol = frame[ETHERNET + 9]
    offset = CHECKSUM_OFFSETS.get(protocol)
    if int.from_bytes(frame[ETHERNET + 6 : ETHERNET + 8], "big") & OFFSET_MASK or offset is None:
        return bytes(changed)
    checksum_offset, ports = start + offset, _port_field(protocol, start, ends)
    before = frame[ports.offset : ports.offset + len(ports.content)]
    if len(frame) < checksum_offset + 2 or len(before) < len(ports.content):
        return bytes(changed)
    changed[ports.offset : ports.offset + len(before)] = ports.content
    if protocol == ICMP:
        # The checksum of ICMP does not cover the addresses.
        _update_checksum(changed, checksum_offset, before, ports.content)
    elif protocol == TCP or frame[checksum_offset : checksum_offset + 2] != b"\0\0":
        _update_checksum(changed, checksum_offset, old + before, new + ports.content)
    return bytes(changed)


def translated_icmp_error(frame: bytes, ends: AddressesAndPorts) -> bytes:
    """Return an ICMP error with the ends `ends`, which quotes a packet that went the other way."""
    start, length = ETHERNET + 4 * (frame[ETHERNET] & 15), int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4], "big")
    inner = start + 8
    reply_ends = reversed_ends(ends)
    changed = bytearray(translated_ipv4_frame(frame, AddressesAndPorts(ends.source, 0, ends.target, 0)))
    payload_start = inner + 4 * (frame[inner] & 15)
    ports = _port_field(frame[inner + 9], payload_start, reply_ends)
    changed[inner + 12 : inner + 20] = reply_ends.source + reply_ends.target
    if len(changed) >= ports.offset + len(ports.content):
        changed[ports.offset : ports.offset + len(ports.content)] = ports.content
    changed[inner + 10 : inner + 12] = b"\0\0"
    changed[inner + 10 : inner + 12] = internet_checksum(bytes(changed[inner:payload_start])).to_bytes(2, "big")
    changed[start + 2 : start + 4] = b"\0\0"
    changed[start + 2 : start + 4] = internet_checksum(bytes(changed[start : ETHERNET + length])).to_bytes(2, "big")
    return bytes(changed)


def _port_field(protocol: int, start: int, ends: AddressesAndPorts) -> PortRewrite:
    if protocol == ICMP:
        return PortRewrite(start + 4, struct.pack("!H", ends.sport))
    return PortRewrite(start, struct.pack("!HH", ends.sport, ends.dport))


def _update_checksum(frame: bytearray, offset: int, old: bytes, new: bytes) -> None:
    """Update a checksum after an even number of covered bytes has changed (RFC 1624)."""
    total = ~int.from_bytes(frame[offset : offset + 2], "big") & 0xFFFF
    words = f"!{len(old) // 2}H"
    for before, after in zip(struct.unpack(words, old), struct.unpack(words, new), strict=True):
        total += (~before & 0xFFFF) + after
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    frame[offset : offset + 2] = (~total & 0xFFFF).to_bytes(2, "big")
