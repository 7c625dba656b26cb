"""The way of each frame: within its network, through a router, or out of the host; and who may send and receive it."""

import ctypes
from collections import OrderedDict

from pileus.drivers.qemu.fabric import dhcp
from pileus.drivers.qemu.fabric.firewall import IN, OUT
from pileus.drivers.qemu.fabric.frames import (
    ANSWER,
    ARP,
    ASK,
    ETHERNET,
    ICMP,
    ICMPV6,
    IPV4,
    IPV6,
    TCP,
    UDP,
    Packet,
    arp,
    forwarded,
    icmp,
    packed,
    packet,
    readdressed,
)
from pileus.drivers.qemu.fabric.outside import Outside  # noqa: TC001  # an attribute's type
from pileus.drivers.qemu.fabric.plan import Plan, Target, own_mac
from pileus.drivers.qemu.fabric.ports import Port
from pileus.drivers.qemu.fabric.slirp import HOST, RESOLVER
from pileus.drivers.qemu.fabric.state import State
from pileus.drivers.qemu.fabric.taps import Tap  # noqa: TC001  # an attribute's type

METADATA_IP, RESOLVER_IP, HOST_IP = packed(dhcp.METADATA), packed(RESOLVER), packed(HOST)
NOBODY, LINK = b"\0" * 4, b"\xa9\xfe"
NOT_ROUTED = (0, 127, 169)
"""First numbers of addresses that no router leads to."""
NEIGHBOURS = frozenset({133, 135, 136, 130, 131, 132, 143})
"""ICMPv6 that a network lives by: who is where, and who listens to what (RFC 4861, 3810)."""
MISLEADING = frozenset({134, 137})
"""ICMPv6 that only routers may say."""
MOST = 65536
"""Connections to floating IPs that are known at once."""
Way = tuple[int, bytes, int, bytes, int]


class Switch:
    """All ports, and the tables by which frames find their way."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.plan = Plan(State(revision=0))
        self.ports: dict[str, Port] = {}
        self.outsides: dict[str, Outside] = {}
        self.taps: dict[str, Tap] = {}
        self._by_mac: dict[tuple[str, bytes], Port] = {}
        self._by_address: dict[tuple[str, bytes], Port] = {}
        self._in_network: dict[str, list[Port]] = {}
        self._translated: OrderedDict[Way, bytes] = OrderedDict()

    def index(self) -> None:
        """Make the tables anew, after ports have come, gone or changed."""
        self._by_mac, self._by_address, self._in_network = {}, {}, {}
        for port in self.ports.values():
            network_id = port.nic.network_id
            self._in_network.setdefault(network_id, []).append(port)
            self._by_mac |= {(network_id, each): port for each in port.macs}
            self._by_address |= {(network_id, each): port for each in port.addresses}

    def heard(self, port: Port, frame: bytes) -> None:
        """A machine has sent a frame."""
        if len(frame) < ETHERNET or (port.nic.secured and frame[6:12] not in port.macs):
            port.counters.dropped += 1
            return
        kind = int.from_bytes(frame[12:14], "big")
        if kind == IPV4:
            passed = self._ipv4(port, frame)
        elif kind == ARP:
            passed = self._arp(port, frame)
        elif kind == IPV6:
            passed = self._ipv6(port, frame)
        else:
            passed = not port.nic.secured and self._spread(port.nic.network_id, port, frame, None)
        port.counters.dropped += not passed

    def came(self, port: Port, frame: bytes) -> None:
        """A frame for a machine has come from outside of the host."""
        found = packet(frame)
        if found is None:
            return
        served = found.source in (METADATA_IP, RESOLVER_IP)
        if served or not port.nic.secured or port.guard.passes(found, IN):
            port.send(port.mac + own_mac(port.nic.network_id) + frame[12:])
        else:
            port.counters.dropped += 1

    def tapped(self, network_id: str, frame: bytes) -> None:
        """A frame has come from a network of the host."""
        kind = int.from_bytes(frame[12:14], "big")
        found = packet(frame) if kind in (IPV4, IPV6) else None
        self._spread(network_id, None, frame, found)

    def _arp(self, port: Port, frame: bytes) -> bool:
        if len(frame) < 42:  # noqa: PLR2004  # of a whole question
            return False
        asked, target, network_id = frame[28:32], frame[38:42], port.nic.network_id
        honest = frame[22:28] in port.macs and (asked == NOBODY or port.may_speak_as(asked))
        if port.nic.secured and not honest:
            return False
        ours = target in self.plan.gateways.get(network_id, ()) or (target[:2] == LINK and asked[:2] != LINK)
        if ours and int.from_bytes(frame[20:22], "big") == ASK:
            port.send(arp(ANSWER, (own_mac(network_id), target), (frame[22:28], asked)))
            return True
        return self._spread(network_id, port, frame, None)

    def _ipv4(self, port: Port, frame: bytes) -> bool:  # noqa: PLR0911  # one for each way that a packet can take
        found = packet(frame)
        if found is None:
            return False
        if found.protocol == UDP and (found.sport, found.dport) == (dhcp.CLIENT_PORT, dhcp.SERVER_PORT):
            return self._lease(port, frame)
        if port.nic.secured and not port.may_speak_as(found.source):
            return False
        if _is_service(found):
            return self._out(port, frame)
        if port.nic.secured and not port.guard.passes(found, OUT):
            return False
        if frame[:6] == own_mac(port.nic.network_id):
            return self._route(port, *self._back(frame, found))
        return self._spread(port.nic.network_id, port, *self._back(frame, found))

    def _ipv6(self, port: Port, frame: bytes) -> bool:
        found = packet(frame)
        if found is None:
            return False
        if port.nic.secured:
            own = not any(found.source) or found.source[:2] == b"\xfe\x80" or port.may_speak_as(found.source)
            misleading = found.protocol == ICMPV6 and found.kind in MISLEADING
            if not own or misleading or not (_is_neighbourly(found) or port.guard.passes(found, OUT)):
                return False
        return self._spread(port.nic.network_id, port, frame, found)

    def _lease(self, port: Port, frame: bytes) -> bool:
        reply = dhcp.answer(frame, self.plan.lease(port.nic), own_mac(port.nic.network_id))
        if reply is not None:
            port.send(reply)
        elif port.nic.network_id in self.taps:
            return self._spread(port.nic.network_id, port, frame, None)
        return True

    def _out(self, port: Port, frame: bytes) -> bool:
        """Let a frame leave the host, or reach what is served to its machine alone."""
        outside = self.outsides.get(port.nic.port_id)
        if outside is None:
            return False
        outside.take(frame)
        return True

    def _route(self, port: Port, frame: bytes, found: Packet) -> bool:  # noqa: PLR0911  # as many ways as there are
        network_id, target = port.nic.network_id, found.target
        if target in self.plan.gateways[network_id]:
            return self._echo(port, frame, found)
        if target == HOST_IP:
            return self._out(port, frame)
        if target[0] in NOT_ROUTED or target[0] >= 224:  # noqa: PLR2004  # multicast and what is reserved
            return False
        if leading := self.plan.floating.get(target):
            return self._lead(port, frame, found, leading)
        near = self._near(network_id, target) or self._near(network_id, self._next(network_id, target))
        if near:
            return self._send_on(near, frame, found)
        if network_id in self.plan.exits:
            return self._out(port, frame)
        return self._unreachable(port, frame, found)

    def _near(self, network_id: str, address: bytes) -> Port | None:
        """The machine that has an address, in the network or in those that a router joins with it."""
        ports = (self._by_address.get((each, address)) for each in self.plan.joined.get(network_id, ()))
        return next((port for port in ports if port), None)

    def _next(self, network_id: str, target: bytes) -> bytes:
        """The next router of a static route; no address without one."""
        number = int.from_bytes(target, "big")
        hops = self.plan.hops.get(network_id, ())
        return next((hop.nexthop for hop in hops if number & hop.mask == hop.network), b"")

    def _send_on(self, to: Port, frame: bytes, found: Packet) -> bool:
        sent = forwarded(frame, own_mac(to.nic.network_id), to.mac)
        return sent is not None and self._receive(to, sent, found)

    def _lead(self, port: Port, frame: bytes, found: Packet, leading: Target) -> bool:
        """Send what is for a floating IP on to the address behind it, and remember to speak as it."""
        to, address = self.ports.get(leading.port_id), leading.address
        if to is None:
            return self._unreachable(port, frame, found)
        self._translated[(found.protocol, address, found.dport, found.source, found.sport)] = found.target
        if len(self._translated) > MOST:
            self._translated.popitem(last=False)
        changed = readdressed(frame, 16, address)
        return self._send_on(to, changed, packet(changed) or found)

    def _back(self, frame: bytes, found: Packet) -> tuple[bytes, Packet]:
        """An answer to what was sent to a floating IP, said in its name."""
        key = (found.protocol, found.source, found.sport, found.target, found.dport)
        floating = self._translated.get(key) if self._translated else None
        if floating is None:
            return frame, found
        changed = readdressed(frame, 12, floating)
        return changed, packet(changed) or found

    def _echo(self, port: Port, frame: bytes, found: Packet) -> bool:
        """The gateway answers who asks whether it is there."""
        if found.protocol != ICMP or found.kind != 8:  # noqa: PLR2004  # an echo request
            return False
        start = ETHERNET + 4 * (frame[ETHERNET] & 15)
        length = int.from_bytes(frame[ETHERNET + 2 : ETHERNET + 4], "big")
        ends = (own_mac(port.nic.network_id), frame[6:12])
        port.send(icmp(ends, (found.target, found.source), 0, 0, frame[start + 4 : ETHERNET + length]))
        return True

    def _unreachable(self, port: Port, frame: bytes, found: Packet) -> bool:
        gateway = next(iter(self.plan.gateways[port.nic.network_id]), None)
        if gateway and found.first and found.about is None:
            ends = (own_mac(port.nic.network_id), frame[6:12])
            port.send(icmp(ends, (gateway, found.source), 3, 0, bytes(4) + frame[ETHERNET : ETHERNET + 28]))
        return False

    def _spread(self, network_id: str, port: Port | None, frame: bytes, found: Packet | None) -> bool:
        """Send a frame to whom it is for in its network: to all others, if it is for everybody."""
        tap = self.taps.get(network_id) if port else None
        if frame[0] & 1:
            for other in self._in_network.get(network_id, ()):
                if other is not port:
                    self._receive(other, frame, found)
            return tap.send(frame) if tap else True
        to = self._by_mac.get((network_id, frame[:6]))
        if to is not None:
            return self._receive(to, frame, found)
        return tap.send(frame) if tap else False

    def _receive(self, port: Port, frame: bytes, found: Packet | None) -> bool:
        """Let a machine have a frame that may pass."""
        passes = found is None or not port.nic.secured or _is_neighbourly(found) or port.guard.passes(found, IN)
        if passes:
            port.send(frame)
        return passes


def _is_service(found: Packet) -> bool:
    """Whether it is for what every machine may ask: its metadata, and the resolver."""
    if found.target == METADATA_IP:
        return found.protocol == TCP and found.dport == 80  # noqa: PLR2004  # of HTTP
    return found.target == RESOLVER_IP and found.protocol in (TCP, UDP) and found.dport == 53  # noqa: PLR2004  # of DNS


def _is_neighbourly(found: Packet) -> bool:
    return found.protocol == ICMPV6 and found.kind in NEIGHBOURS
