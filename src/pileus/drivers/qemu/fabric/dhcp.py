"""The DHCP server (RFC 2131, 2132, 3442): it gives each interface the address that its port has.

A reply has at most the size that the client accepts. What does not fit is left out: an interface always gets its
address.
"""

import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec import Struct

from pileus.domain.network.networks import Route
from pileus.drivers.qemu.fabric.dhcp_options import OptionsWriter, parse_options
from pileus.drivers.qemu.fabric.frames import BROADCAST, ETHERNET, IPV4_HEADER, build_udp_frame, pack_ip_address
from pileus.drivers.qemu.fabric.slirp import RESOLVER

METADATA, LINK = "169.254.169.254", "169.254.0.0/16"
SERVER_PORT, CLIENT_PORT = 67, 68
HEADER_SIZE, MAGIC_COOKIE = 236, b"\x63\x82\x53\x63"
FIXED_SIZE = IPV4_HEADER + 8 + HEADER_SIZE + len(MAGIC_COOKIE)
"""Bytes of a message before its options, with the headers of IP and UDP."""
SMALLEST_LIMIT = 576
"""Bytes of a message that every client accepts (RFC 2131)."""
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
    options, server = parse_options(message[HEADER_SIZE + 4 :]), pack_ip_address(lease.server_address)
    kind = int.from_bytes(options.get(53, b"")[:1], "big")
    if kind not in (DISCOVER, REQUEST, INFORM) or options.get(54, server) != server:
        return None
    requested = options.get(50) or (message[12:16] if kind == REQUEST else pack_ip_address(lease.address))
    reply_kind = (
        OFFER if kind == DISCOVER else ACK if kind == INFORM or requested == pack_ip_address(lease.address) else NAK
    )
    size_limit = max(SMALLEST_LIMIT, min(int.from_bytes(options.get(57, b"")[:2], "big"), lease.mtu))
    return _build_reply(message, lease, reply_kind, size_limit, server_mac)


def _build_reply(message: bytes, lease: Lease, kind: int, size_limit: int, server_mac: bytes) -> bytes:
    address = b"\0" * 4 if kind == NAK else pack_ip_address(lease.address)
    writer = OptionsWriter(size_limit - FIXED_SIZE)
    _add_options(writer, lease, kind)
    options, file, server_name = writer.encode()
    head = struct.pack("!BBBB4sHH", 2, 1, 6, 0, message[4:8], 0, int.from_bytes(message[10:12], "big"))
    head += message[12:16] + address + pack_ip_address(lease.server_address) + b"\0" * 4 + message[28:44]
    payload = (head + server_name + file + MAGIC_COOKIE + options).ljust(300, b"\0")
    ends = (server_mac, BROADCAST if kind == NAK else message[28:34])
    target = b"\xff" * 4 if kind == NAK else pack_ip_address(lease.address)
    return build_udp_frame(ends, (pack_ip_address(lease.server_address), target), (SERVER_PORT, CLIENT_PORT), payload)


def _add_options(writer: OptionsWriter, lease: Lease, kind: int) -> None:
    """Add the options of a reply, the most important ones first; name servers leave room for as many routes."""
    writer.add(53, bytes((kind,)))
    writer.add(54, pack_ip_address(lease.server_address))
    if kind == NAK:
        return
    network = ip_network(lease.cidr)
    writer.add(51, LEASE_SECONDS.to_bytes(4, "big"))
    writer.add(1, network.netmask.packed)
    writer.add(28, network.broadcast_address.packed)
    writer.add(26, lease.mtu.to_bytes(2, "big"))
    if lease.gateway:
        writer.add(3, pack_ip_address(lease.gateway))
    writer.add(12, lease.host_name.encode())
    resolvers = [resolver for resolver in lease.resolvers if ip_address(resolver).version == 4]
    writer.add(6, *map(pack_ip_address, resolvers or [RESOLVER]), limit=writer.room // 2)
    routes = [route for route in lease.routes if ip_network(route.destination).version == 4]
    if routes or not lease.gateway:
        writer.add(121, *map(_encode_route, _with_default_route(lease, routes)))


def _with_default_route(lease: Lease, routes: list[Route]) -> Iterator[Route]:
    """Add a default route: a client that gets classless routes ignores the router option (RFC 3442).

    Without a gateway, add the route to link-local addresses. It comes first: the last routes may not fit.
    """
    if lease.gateway:
        yield Route("0.0.0.0/0", lease.gateway)
    else:
        yield Route(LINK, "0.0.0.0")  # noqa: S104  # this link, to a DHCP client
    yield from routes


def _encode_route(route: Route) -> bytes:
    network = ip_network(route.destination)
    width = -(-network.prefixlen // 8)
    return bytes((network.prefixlen,)) + network.network_address.packed[:width] + pack_ip_address(route.nexthop)
