"""Routing of packets between networks and out of the host, and the tables that it uses."""

import ctypes
from typing import Protocol

from pileus.drivers.qemu.fabric.firewall import IN
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    ICMPV6,
    Packet,
    forwarded,
    icmp,
    packed,
    packet,
    translate_icmp_error,
    translated,
)
from pileus.drivers.qemu.fabric.nat import Fact, Nat, Translation
from pileus.drivers.qemu.fabric.plan import Plan, Target, own_mac
from pileus.drivers.qemu.fabric.ports import Port
from pileus.drivers.qemu.fabric.slirp import HOST
from pileus.drivers.qemu.fabric.state import State
from pileus.drivers.qemu.fabric.taps import Tap
from pileus.drivers.qemu.fabric.uplink import Uplink  # noqa: TC001  # an attribute's type
from pileus.outbound.ssrf_guard import PROVIDERS

HOST_IP = packed(HOST)
LINK, HOSTS, MULTICAST = b"\xa9\xfe", (0, 127), 224
"""The first bytes of addresses that are not routed: link-local, local to a host, multicast and above (RFC 6890)."""
OURS_ALONE = frozenset(address.packed for address in PROVIDERS)
"""Services that a cloud provider offers to the host: machines of tenants must not reach them."""
NEIGHBOURS = frozenset({133, 135, 136, 130, 131, 132, 143})
"""ICMPv6 types of neighbour discovery and multicast listeners, which always pass (RFC 4861, 3810)."""


class End(Protocol):
    """A source and destination of frames: the port of a machine, or a network of the host."""

    id: str
    network_id: str

    def send(self, frame: bytes) -> object:
        """Send a frame."""


class Routing:
    """All endpoints, and the routing tables."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.plan = Plan(State(revision=0))
        self.nat = Nat()
        self.ports: dict[str, Port] = {}
        self.outsides: dict[str, Uplink] = {}
        self.taps: dict[str, Tap] = {}
        self.by_mac: dict[tuple[str, bytes], Port] = {}
        self.by_address: dict[tuple[str, bytes], Port] = {}
        self.in_network: dict[str, list[Port]] = {}

    def index(self) -> None:
        """Rebuild the tables after ports have changed."""
        self.by_mac, self.by_address, self.in_network = {}, {}, {}
        for port in self.ports.values():
            self.in_network.setdefault(port.network_id, []).append(port)
            self.by_mac |= {(port.network_id, each): port for each in port.macs}
            self.by_address |= {(port.network_id, each): port for each in port.addresses}
        self.nat.keep(self.plan.facts, {*self.ports, *self.plan.bridges})

    def route(self, end: End, frame: bytes, found: Packet) -> bool:
        """Route a packet that was sent to the gateway of a network. Return whether it was sent on."""
        target = found.target
        if known := self.nat.known(end.id, found, frame[6:12]):
            return self._translate(known, frame, found)
        if (leading := self.plan.floating.get(target)) and end.network_id in self.plan.exits:
            return self._lead(end, frame, found, leading)
        if target in self.plan.own[end.network_id]:
            return self._echo(end, frame, found)
        if not isinstance(end, Port) or not is_routed(target):
            return target == HOST_IP and isinstance(end, Port) and self.leave(end, frame)
        return self._onward(end, frame, found)

    def leave(self, port: Port, frame: bytes) -> bool:
        """Send a frame out of the host, or to the services of its machine. Return whether it was sent."""
        outside = self.outsides.get(port.id)
        return outside is not None and outside.take(frame)

    def receive(self, port: Port, frame: bytes, found: Packet | None) -> bool:
        """Send a frame to a machine if its firewall accepts it. Return whether it does."""
        passes = found is None or not port.nic.secured or is_neighbourly(found) or port.guard.passes(found, IN)
        if passes:
            port.send(frame)
        return passes

    def _onward(self, port: Port, frame: bytes, found: Packet) -> bool:
        """Route to a machine in a connected network, to an external network, or out of the host."""
        network_id, target = port.network_id, found.target
        near = self._near(network_id, target) or self._near(network_id, self._next(network_id, target))
        if near:
            return self._deliver(near, None, frame, found)
        for beyond in self.plan.beyond.get(network_id, ()):
            if to := self.by_address.get((beyond, target)):
                return self._begin(port, frame, found, (to, target), ())
        if network_id in self.plan.exits:
            return self.leave(port, frame)
        return self._unreachable(port, frame, found)

    def _near(self, network_id: str, address: bytes) -> Port | None:
        """Return the port with an address, in the network or in those that a router connects with it."""
        ports = (self.by_address.get((each, address)) for each in self.plan.joined.get(network_id, ()))
        return next((port for port in ports if port), None)

    def _next(self, network_id: str, target: bytes) -> bytes:
        """Return the next hop of a static route; empty without one."""
        number = int.from_bytes(target, "big")
        hops = self.plan.hops.get(network_id, ())
        return next((hop.nexthop for hop in hops if number & hop.mask == hop.network), b"")

    def _lead(self, end: End, frame: bytes, found: Packet, leading: Target) -> bool:
        """Open a connection to the port behind a floating IP."""
        to = self.ports.get(leading.port_id)
        if to is None:
            return self._unreachable(end, frame, found)
        fact = (found.target, leading.port_id, leading.address)
        return self._begin(end, frame, found, (to, leading.address), (fact,))

    def _begin(
        self, end: End, frame: bytes, found: Packet, towards: tuple[Port, bytes], facts: tuple[Fact, ...]
    ) -> bool:
        """Open a connection to an address of a port, with the public address of the source."""
        to, target = towards
        source = found.source
        seen = self.plan.seen_as(end.id, end.network_id, source)
        if end.network_id not in self.plan.external:
            if seen is None:
                return self._unreachable(end, frame, found)
            source, facts = seen[0], (*facts, seen)
        begun = self.nat.begin((end.id, frame[6:12]), to.id, found, (source, target), facts)
        return begun is not None and self._translate(begun, frame, found)

    def _translate(self, known: Translation, frame: bytes, found: Packet) -> bool:
        """Send a packet of a connection to its other endpoint, translated."""
        to = self.ports.get(known.place) or self.taps.get(known.place)
        if to is None:
            return False
        changed = translate_icmp_error(frame, known.ends) if found.about else translated(frame, known.ends)
        return self._deliver(to, known.mac, changed, packet(changed) or found)

    def _deliver(self, to: Port | Tap, mac: bytes | None, frame: bytes, found: Packet) -> bool:
        if isinstance(to, Port):
            sent = forwarded(frame, own_mac(to.network_id), to.mac)
            return sent is not None and self.receive(to, sent, found)
        sent = forwarded(frame, own_mac(to.network_id), mac) if mac else None
        return sent is not None and to.send(sent)

    def _echo(self, end: End, frame: bytes, found: Packet) -> bool:
        """Answer a ping to an address of the fabric."""
        if found.protocol != ICMP or found.kind != 8:  # an echo request
            return False
        start = ETHERNET + 4 * (frame[ETHERNET] & 15)
        length = int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4], "big")
        ends = (own_mac(end.network_id), frame[6:12])
        end.send(icmp(ends, (found.target, found.source), 0, 0, frame[start + 4 : ETHERNET + length]))
        return True

    def _unreachable(self, end: End, frame: bytes, found: Packet) -> bool:
        gateway = next(iter(self.plan.own[end.network_id]), None)
        if gateway and found.first and found.about is None:
            ends = (own_mac(end.network_id), frame[6:12])
            end.send(icmp(ends, (gateway, found.source), 3, 0, bytes(4) + frame[ETHERNET : ETHERNET + 28]))
        return False


def is_routed(target: bytes) -> bool:
    """Whether an IPv4 address is routed."""
    return target[0] not in HOSTS and target[0] < MULTICAST and target[:2] != LINK and target not in OURS_ALONE


def is_neighbourly(found: Packet) -> bool:
    """Whether a packet is one of those that an IPv6 network needs to work."""
    return found.protocol == ICMPV6 and found.kind in NEIGHBOURS
