"""The DHCP server (RFC 2131, 2132, 3442): it gives each interface the address that its port has."""

import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec import Struct

from pileus.domain.network.networks import Route
from pileus.drivers.qemu.fabric.frames import BROADCAST, ETHERNET, IPV4_HEADER, packed, udp
from pileus.drivers.qemu.fabric.slirp import RESOLVER

METADATA, LINK = "169.254.169.254", "169.254.0.0/16"
SERVER_PORT, CLIENT_PORT = 67, 68
HEAD, COOKIE = 236, b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
LEASE = 86400
"""Seconds."""


class Lease(Struct, frozen=True, kw_only=True):
    """What an interface gets by DHCP."""

    address: str
    cidr: str
    gateway: str | None
    resolvers: tuple[str, ...]
    routes: tuple[Route, ...]
    mtu: int
    host_name: str

    @property
    def server(self) -> str:
        """The address of the DHCP server."""
        return self.gateway or METADATA


def answer(frame: bytes, lease: Lease | None, own: bytes) -> bytes | None:
    """Return the reply to a client's frame, sent from `server_mac`; None if there is none."""
    message = frame[ETHERNET + IPV4_HEADER + 8 :]
    if lease is None or len(message) < HEAD + 4 or message[0] != 1 or message[HEAD : HEAD + 4] != COOKIE:
        return None
    asked = dict(_options(message[HEAD + 4 :]))
    kind = asked.get(53, b"\0")[0]
    if kind not in (DISCOVER, REQUEST, INFORM) or asked.get(54, packed(lease.server)) != packed(lease.server):
        return None
    wanted = asked.get(50) or (message[12:16] if kind == REQUEST else packed(lease.address))
    told = OFFER if kind == DISCOVER else ACK if kind == INFORM or wanted == packed(lease.address) else NAK
    return _frame(message, lease, told, own)


def _frame(message: bytes, lease: Lease, kind: int, own: bytes) -> bytes:
    address = b"\0" * 4 if kind == NAK else packed(lease.address)
    head = struct.pack("!BBBB4sHH", 2, 1, 6, 0, message[4:8], 0, int.from_bytes(message[10:12], "big"))
    head += message[12:16] + address + packed(lease.server) + b"\0" * 4 + message[28:44] + bytes(192)
    options = b"".join(bytes((code, len(value))) + value for code, value in _told(lease, kind))
    payload = (head + COOKIE + options + b"\xff").ljust(300, b"\0")
    ends = (own, BROADCAST if kind == NAK else message[28:34])
    target = b"\xff" * 4 if kind == NAK else packed(lease.address)
    return udp(ends, (packed(lease.server), target), (SERVER_PORT, CLIENT_PORT), payload)


def _told(lease: Lease, kind: int) -> Iterator[tuple[int, bytes]]:
    """Yield the options of a reply."""
    yield 53, bytes((kind,))
    yield 54, packed(lease.server)
    if kind == NAK:
        return
    network = ip_network(lease.cidr)
    yield 51, LEASE.to_bytes(4, "big")
    yield 1, network.netmask.packed
    yield 28, network.broadcast_address.packed
    yield 12, lease.host_name.encode()
    yield 26, lease.mtu.to_bytes(2, "big")
    if lease.gateway:
        yield 3, packed(lease.gateway)
    resolvers = [each for each in lease.resolvers if ip_address(each).version == 4]
    yield 6, b"".join(map(packed, resolvers or [RESOLVER]))
    routes = [each for each in lease.routes if ip_network(each.destination).version == 4]
    if routes or not lease.gateway:
        yield 121, b"".join(_classless(route) for route in _all(lease, routes))


def _all(lease: Lease, routes: list[Route]) -> Iterator[Route]:
    """Add a default route: a client that gets classless routes ignores the router option (RFC 3442).

    Without a gateway, add the route to link-local addresses.
    """
    yield from routes
    if lease.gateway:
        yield Route("0.0.0.0/0", lease.gateway)
    else:
        yield Route(LINK, "0.0.0.0")  # noqa: S104  # this link, to a DHCP client


def _classless(route: Route) -> bytes:
    network = ip_network(route.destination)
    width = -(-network.prefixlen // 8)
    return bytes((network.prefixlen,)) + network.network_address.packed[:width] + packed(route.nexthop)


def _options(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content) and content[at] != 255:  # the end option
        if content[at] == 0:
            at += 1
            continue
        length = content[at + 1] if at + 1 < len(content) else 0
        yield content[at], content[at + 2 : at + 2 + length]
        at += 2 + length
