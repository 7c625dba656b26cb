"""Frames of Ethernet, ARP, IP, UDP and ICMP: read once, by offsets, and built (RFC 826, 791, 8200, 768, 792)."""

import struct
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
BROADCAST = b"\xff" * 6
ASK, ANSWER = 1, 2
ETHERNET, IPV4_HEADER, IPV6_HEADER = 14, 20, 40
MORE, OFFSET = 0x2000, 0x1FFF


class Packet(Struct):
    """What of an IP packet decides where it goes: its ends, as packed addresses, its protocol, and its ports.

    For echo requests and replies both ports are the identifier; `kind` and `code` are those of ICMP. An ICMP error has
    in `about` the packet that it tells of. Only the first of several fragments has ports.
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
    about: "Packet | None" = None


def packet(frame: bytes, at: int = ETHERNET, depth: int = 0) -> Packet | None:
    """The IP packet in a frame; None for what is none, or is cut off."""
    if len(frame) < at + IPV4_HEADER:
        return None
    if frame[at] >> 4 == 4:  # noqa: PLR2004  # of the protocol
        return _ipv4(frame, at, depth)
    return _ipv6(frame, at, depth) if frame[at] >> 4 == 6 and len(frame) >= at + IPV6_HEADER else None  # noqa: PLR2004


def _ipv4(frame: bytes, at: int, depth: int) -> Packet:
    split = int.from_bytes(frame[at + 6 : at + 8], "big")
    found = Packet(4, frame[at + 9], frame[at + 12 : at + 16], frame[at + 16 : at + 20])
    found.fragment, found.first = bool(split & (MORE | OFFSET)), not split & OFFSET
    if found.first:
        _inside(found, frame, at + 4 * (frame[at] & 15), depth)
    return found


def _ipv6(frame: bytes, at: int, depth: int) -> Packet:
    found = Packet(6, frame[at + 6], frame[at + 8 : at + 24], frame[at + 24 : at + 40])
    _inside(found, frame, at + IPV6_HEADER, depth)
    return found


def _inside(found: Packet, frame: bytes, at: int, depth: int) -> None:
    """Read the ports, or ICMP's kind."""
    if found.protocol in (TCP, UDP) and len(frame) >= at + 4:
        found.sport, found.dport = struct.unpack_from("!HH", frame, at)
    elif found.protocol in (ICMP, ICMPV6) and len(frame) >= at + 8:
        found.kind, found.code = frame[at], frame[at + 1]
        if found.kind in ((0, 8) if found.protocol == ICMP else (128, 129)):
            found.sport = found.dport = int.from_bytes(frame[at + 4 : at + 6], "big")
        elif depth == 0 and found.kind in ((3, 11, 12) if found.protocol == ICMP else (1, 2, 3, 4)):
            found.about = packet(frame, at + 8, 1)


def mac(text: str) -> bytes:
    """A hardware address as six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def packed(address: str) -> bytes:
    """An IP address as four or sixteen bytes."""
    return (IPv6Address(address) if ":" in address else IPv4Address(address)).packed


def arp(operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    """An ARP frame; both ends are a hardware and an IP address."""
    to = BROADCAST if operation == ASK else target[0]
    return struct.pack("!6s6sHHHBBH", to, sender[0], ARP, 1, IPV4, 6, 4, operation) + b"".join((*sender, *target))


def ipv4(ends: tuple[bytes, bytes], addresses: tuple[bytes, bytes], protocol: int, payload: bytes) -> bytes:
    """A frame with an IPv4 packet, from the first hardware and IP address to the second."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, IPV4_HEADER + len(payload), 0, 0, 64, protocol, 0) + b"".join(addresses)
    summed = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return ends[1] + ends[0] + IPV4.to_bytes(2, "big") + summed + payload


def udp(ends: tuple[bytes, bytes], addresses: tuple[bytes, bytes], ports: tuple[int, int], payload: bytes) -> bytes:
    """A frame with a datagram; it has no checksum, which IPv4 leaves free."""
    return ipv4(ends, addresses, UDP, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload)


def icmp(ends: tuple[bytes, bytes], addresses: tuple[bytes, bytes], kind: int, code: int, payload: bytes) -> bytes:
    """A frame with an ICMP message; the payload begins after the checksum."""
    message = bytes((kind, code, 0, 0)) + payload
    return ipv4(ends, addresses, ICMP, message[:2] + checksum(message).to_bytes(2, "big") + message[4:])


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:  # noqa: PLR2004
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forwarded(frame: bytes, source: bytes, target: bytes) -> bytes | None:
    """A frame with an IPv4 packet, sent on by a router from one hardware address to another; None at its last hop."""
    if frame[ETHERNET + 8] <= 1:
        return None
    head = bytearray(frame[ETHERNET : ETHERNET + 4 * (frame[ETHERNET] & 15)])
    head[8] -= 1
    head[10:12] = b"\0\0"
    head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
    return target + source + frame[12:ETHERNET] + bytes(head) + frame[ETHERNET + len(head) :]


def readdressed(frame: bytes, at: int, address: bytes) -> bytes:
    """A frame with another IPv4 address, 12 (source) or 16 (target) bytes into the packet, and right checksums."""
    place, start = ETHERNET + at, ETHERNET + 4 * (frame[ETHERNET] & 15)
    changed, old = bytearray(frame), frame[place : place + 4]
    changed[place : place + 4] = address
    _amend(changed, ETHERNET + 10, old, address)
    protocol = frame[ETHERNET + 9]
    if not int.from_bytes(frame[ETHERNET + 6 : ETHERNET + 8], "big") & OFFSET:
        if protocol == TCP and len(frame) >= start + 18:
            _amend(changed, start + 16, old, address)
        elif protocol == UDP and frame[start + 6 : start + 8] not in (b"", b"\0\0"):
            _amend(changed, start + 6, old, address)
    return bytes(changed)


def _amend(frame: bytearray, at: int, old: bytes, new: bytes) -> None:
    """Put a checksum right after four bytes that it covers have changed (RFC 1624)."""
    total = ~int.from_bytes(frame[at : at + 2], "big") & 0xFFFF
    for before, after in zip(struct.unpack("!2H", old), struct.unpack("!2H", new), strict=True):
        total += (~before & 0xFFFF) + after
    while total > 0xFFFF:  # noqa: PLR2004
        total = (total & 0xFFFF) + (total >> 16)
    frame[at : at + 2] = (~total & 0xFFFF).to_bytes(2, "big")
