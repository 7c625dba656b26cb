"""The DHCP server (RFC 2131, 2132, 3442): it gives each interface the address that its port has."""

import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec import Struct

from pileus.domain.network.networks import Route
from pileus.drivers.qemu.fabric.frames import BROADCAST, ETHERNET, IPV4_HEADER, build_udp_frame, pack_ip_address
from pileus.drivers.qemu.fabric.slirp import RESOLVER

METADATA, LINK = "169.254.169.254", "169.254.0.0/16"
SERVER_PORT, CLIENT_PORT = 67, 68
HEADER_SIZE, MAGIC_COOKIE = 236, b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
LEASE_SECONDS = 86400
"""Seconds."""


class Lease(Struct, frozen=True, kw_only=True):
    """The configuration that an interface gets by DHCP."""

    address: str
    cidr: str
    gateway: str | None
    resolvers: tuple[str, ...]
    routes: tuple[Route, ...]
    mtu: int
    host_name: str

    @property
    def server_address(self) -> str:
        """The address of the DHCP server."""
        return self.gateway or METADATA


def build_dhcp_reply(frame: bytes, lease: Lease | None, server_mac: bytes) -> bytes | None:
    """Return the reply to a client's frame, sent from `server_mac`; None if there is none."""
    message = frame[ETHERNET + IPV4_HEADER + 8 :]
    if (
        lease is None
        or len(message) < HEADER_SIZE + 4
        or message[0] != 1
        or message[HEADER_SIZE : HEADER_SIZE + 4] != MAGIC_COOKIE
    ):
        return None
    options = dict(parse_options(message[HEADER_SIZE + 4 :]))
    kind = options.get(53, b"\0")[0]
    if kind not in (DISCOVER, REQUEST, INFORM) or options.get(
        54, pack_ip_address(lease.server_address)
    ) != pack_ip_address(lease.server_address):
        return None
    requested = options.get(50) or (message[12:16] if kind == REQUEST else pack_ip_address(lease.address))
    reply_kind = (
        OFFER if kind == DISCOVER else ACK if kind == INFORM or requested == pack_ip_address(lease.address) else NAK
    )
    return _build_reply(message, lease, reply_kind, server_mac)


def _build_reply(message: bytes, lease: Lease, kind: int, server_mac: bytes) -> bytes:
    address = b"\0" * 4 if kind == NAK else pack_ip_address(lease.address)
    head = struct.pack("!BBBB4sHH", 2, 1, 6, 0, message[4:8], 0, int.from_bytes(message[10:12], "big"))
    head += message[12:16] + address + pack_ip_address(lease.server_address) + b"\0" * 4 + message[28:44] + bytes(192)
    options = b"".join(bytes((code, len(value))) + value for code, value in _reply_options(lease, kind))
    payload = (head + MAGIC_COOKIE + options + b"\xff").ljust(300, b"\0")
    ends = (server_mac, BROADCAST if kind == NAK else message[28:34])
    target = b"\xff" * 4 if kind == NAK else pack_ip_address(lease.address)
    return build_udp_frame(ends, (pack_ip_address(lease.server_address), target), (SERVER_PORT, CLIENT_PORT), payload)


def _reply_options(lease: Lease, kind: int) -> Iterator[tuple[int, bytes]]:
    """Yield the options of a reply."""
    yield 53, bytes((kind,))
    yield 54, pack_ip_address(lease.server_address)
    if kind == NAK:
        return
    network = ip_network(lease.cidr)
    yield 51, LEASE_SECONDS.to_bytes(4, "big")
    yield 1, network.netmask.packed
    yield 28, network.broadcast_address.packed
    yield 12, lease.host_name.encode()
    yield 26, lease.mtu.to_bytes(2, "big")
    if lease.gateway:
        yield 3, pack_ip_address(lease.gateway)
    resolvers = [resolver for resolver in lease.resolvers if ip_address(resolver).version == 4]
    yield 6, b"".join(map(pack_ip_address, resolvers or [RESOLVER]))
    routes = [route for route in lease.routes if ip_network(route.destination).version == 4]
    if routes or not lease.gateway:
        yield 121, b"".join(_encode_route(route) for route in _with_default_route(lease, routes))


def _with_default_route(lease: Lease, routes: list[Route]) -> Iterator[Route]:
    """Add a default route: a client that gets classless routes ignores the router option (RFC 3442).

    Without a gateway, add the route to link-local addresses.
    """
    yield from routes
    if lease.gateway:
        yield Route("0.0.0.0/0", lease.gateway)
    else:
        yield Route(LINK, "0.0.0.0")  # noqa: S104  # this link, to a DHCP client


def _encode_route(route: Route) -> bytes:
    network = ip_network(route.destination)
    width = -(-network.prefixlen // 8)
    return bytes((network.prefixlen,)) + network.network_address.packed[:width] + pack_ip_address(route.nexthop)


def parse_options(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each option of a message."""
    offset = 0
    while offset < len(content) and content[offset] != 255:  # the end option
        if content[offset] == 0:
            offset += 1
            continue
        length = content[offset + 1] if offset + 1 < len(content) else 0
        yield content[offset], content[offset + 2 : offset + 2 + length]
        offset += 2 + length
