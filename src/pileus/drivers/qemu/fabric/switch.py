"""Switching of frames within a network, with protection against spoofed addresses."""

from pileus.drivers.qemu.fabric import dhcp
from pileus.drivers.qemu.fabric.firewall import IN, OUT
from pileus.drivers.qemu.fabric.frames import (
    ANSWER,
    ARP,
    ASK,
    ETHERNET,
    ICMPV6,
    IPV4,
    IPV6,
    TCP,
    UDP,
    Packet,
    arp,
    packed,
    packet,
)
from pileus.drivers.qemu.fabric.plan import own_mac
from pileus.drivers.qemu.fabric.ports import Port
from pileus.drivers.qemu.fabric.routing import LINK, End, Routing, is_neighbourly
from pileus.drivers.qemu.fabric.slirp import RESOLVER
from pileus.drivers.qemu.fabric.taps import Tap

METADATA_IP, RESOLVER_IP = packed(dhcp.METADATA), packed(RESOLVER)
NOBODY = b"\0" * 4
MISLEADING = frozenset({134, 137})
"""ICMPv6 types that only routers may send."""
ADVERTISEMENT, TOLD = 136, ETHERNET + 48
"""The ICMPv6 type that announces an address, and the offset of that address in a frame."""


class Switch(Routing):
    """Handles the frames of machines, of libslirp and of bridges."""

    def from_machine(self, port: Port, frame: bytes) -> None:
        """Handle a frame from a machine."""
        if len(frame) < ETHERNET or (port.confined and frame[6:12] not in port.macs):
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
            passed = not port.confined and self._spread(port, frame, None)
        port.counters.dropped += not passed

    def from_host(self, port: Port, frame: bytes) -> None:
        """Handle a frame for a machine from outside of the host."""
        found = packet(frame)
        if found is None:
            return
        served = found.source in (METADATA_IP, RESOLVER_IP)
        if served or not port.nic.secured or port.guard.passes(found, IN):
            port.send(port.mac + own_mac(port.network_id) + frame[12:])
        else:
            port.counters.dropped += 1

    def from_tap(self, tap: Tap, frame: bytes) -> None:
        """Handle a frame from a bridge of the host."""
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ARP and self._answered(tap, frame):
            return
        found = packet(frame) if kind in (IPV4, IPV6) else None
        if found and kind == IPV4 and frame[:6] == own_mac(tap.network_id):
            self.route(tap, frame, found)
        else:
            self._spread(tap, frame, found)

    def _arp(self, port: Port, frame: bytes) -> bool:
        if len(frame) < 42:  # of a complete request
            return False
        asked = frame[28:32]
        honest = frame[22:28] in port.macs and (asked == NOBODY or port.may_speak_as(asked))
        if port.confined and not honest:
            return False
        return self._answered(port, frame) or self._spread(port, frame, None)

    def _answered(self, end: End, frame: bytes) -> bool:
        """Answer an ARP request for an address of the fabric. Return whether it was one."""
        asked, target = frame[28:32], frame[38:42]
        link = isinstance(end, Port) and target[:2] == LINK and asked[:2] != LINK
        ours = link or target in self.plan.own.get(end.network_id, ())
        if not ours or int.from_bytes(frame[20:22], "big") != ASK:
            return False
        end.send(arp(ANSWER, (own_mac(end.network_id), target), (frame[22:28], asked)))
        return True

    def _ipv4(self, port: Port, frame: bytes) -> bool:  # noqa: PLR0911  # one for each way that a packet can take
        found = packet(frame)
        if found is None:
            return False
        if found.protocol == UDP and (found.sport, found.dport) == (dhcp.CLIENT_PORT, dhcp.SERVER_PORT):
            return self._lease(port, frame)
        if port.confined and not port.may_speak_as(found.source):
            return False
        if _is_service(found):
            return self.leave(port, frame)
        if port.nic.secured and not port.guard.passes(found, OUT):
            return False
        if frame[:6] == own_mac(port.network_id):
            return self.route(port, frame, found)
        return self._spread(port, frame, found)

    def _ipv6(self, port: Port, frame: bytes) -> bool:
        found = packet(frame)
        if found is None:
            return False
        if port.confined:
            own = not any(found.source) or port.may_speak_as(found.source)
            if not own or _misleads(port, frame, found):
                return False
        if port.nic.secured and not (is_neighbourly(found) or port.guard.passes(found, OUT)):
            return False
        return self._spread(port, frame, found)

    def _lease(self, port: Port, frame: bytes) -> bool:
        reply = dhcp.answer(frame, self.plan.lease(port.nic), own_mac(port.network_id))
        if reply is not None:
            port.send(reply)
        elif port.network_id in self.taps:
            return self._spread(port, frame, None)
        return True

    def _spread(self, end: End, frame: bytes, found: Packet | None) -> bool:
        """Forward a frame within its network: to one endpoint, or to all others."""
        tap = self.taps.get(end.network_id)
        beside = tap if tap is not end else None
        if frame[0] & 1:
            for other in self.in_network.get(end.network_id, ()):
                if other is not end:
                    self.receive(other, frame, found)
            return beside.send(frame) if beside else True
        to = self.by_mac.get((end.network_id, frame[:6]))
        if to is not None:
            return self.receive(to, frame, found)
        return beside.send(frame) if beside else False


def _misleads(port: Port, frame: bytes, found: Packet) -> bool:
    """Whether a machine claims to be a router, or to have an address that it may not use (RFC 4861)."""
    if found.protocol != ICMPV6 or found.kind not in (*MISLEADING, ADVERTISEMENT):
        return False
    plain = frame[ETHERNET + 6] == ICMPV6
    return not (plain and found.kind == ADVERTISEMENT and port.may_speak_as(frame[TOLD : TOLD + 16]))


def _is_service(found: Packet) -> bool:
    """Whether a packet is for the metadata service or the resolver, which every machine may use."""
    if found.target == METADATA_IP:
        return found.protocol == TCP and found.dport == 80  # of HTTP
    return found.target == RESOLVER_IP and found.protocol in (TCP, UDP) and found.dport == 53  # of DNS
