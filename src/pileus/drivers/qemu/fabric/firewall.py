"""The stateful firewall of an interface: security groups, which deny what no rule allows."""

import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from msgspec import Struct

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.qemu.fabric.address_ranges import AddressRange, parse_address_range
from pileus.drivers.qemu.fabric.frames import ICMP, ICMPV6, TCP, UDP, Packet, pack_ip_address

PROTOCOL_NUMBERS = {
    "icmp": ICMP, "ipv6-icmp": ICMPV6, "icmpv6": ICMPV6, "tcp": TCP, "udp": UDP, "sctp": 132, "dccp": 33,
    "udplite": 136, "ah": 51, "esp": 50, "gre": 47, "igmp": 2, "egp": 8, "ospf": 89, "pgm": 113, "rsvp": 46,
    "vrrp": 112, "ipip": 4, "ipencap": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "ipv6-route": 43,
}  # fmt: skip
"""Protocol numbers (IANA) by the names that rules use."""
ICMP_PROTOCOLS = frozenset({ICMP, ICMPV6})
IN, OUT = "ingress", "egress"
TCP_TIMEOUT, OTHER_TIMEOUT = 7200.0, 120.0
"""Seconds without a packet after which a connection ends: of TCP, and of other protocols."""
FLOW_LIMIT = 32768
"""Connections that an interface may have."""
Key = tuple[int, bytes, int, bytes, int]


class GroupMembers(Struct, frozen=True):
    """The addresses of all interfaces in a security group, with their allowed address pairs."""

    addresses: frozenset[bytes] = frozenset()
    ranges: frozenset[AddressRange] = frozenset()

    def contains(self, address: bytes) -> bool:
        """Return whether an address is that of a member."""
        return address in self.addresses or any(pair.contains(address) for pair in self.ranges)


class CompiledRule(Struct, frozen=True):
    """A rule compiled for matching packets. A port of -1 matches any."""

    version: int | None
    protocol: int | None
    low: int
    high: int
    networks: tuple[tuple[int, int], ...]
    """Networks and masks as numbers; an empty tuple matches any address."""
    members: "GroupMembers | None"

    def matches(self, version: int, key: Key, icmp_type_and_code: tuple[int, int]) -> bool:
        """Return whether the rule matches, by the remote address, and the local port or the type and code of ICMP."""
        protocol, _, _, remote, _ = key
        if self.version not in (None, version) or self.protocol not in (None, protocol):
            return False
        if self.members is not None and not self.members.contains(remote):
            return False
        number = int.from_bytes(remote, "big")
        return any(number & mask == network for network, mask in self.networks or ((0, 0),)) and self._matches_port(
            key, icmp_type_and_code
        )

    def _matches_port(self, key: Key, message: tuple[int, int]) -> bool:
        if self.protocol in ICMP_PROTOCOLS:
            return (self.low < 0 or self.low == message[0]) and (self.high < 0 or self.high == message[1])
        return self.low < 0 or self.low <= key[4] <= self.high


class TrackedConnection(Struct):
    """An accepted connection: the direction of its first packet, when it expires, and what rules match it by."""

    direction: str
    expires: float
    version: int
    rule_key: Key
    message: tuple[int, int]


class Firewall:
    """The firewall of one interface."""

    def __init__(self) -> None:
        self._rules: dict[str, list[CompiledRule]] = {IN: [], OUT: []}
        self._flows: dict[Key, TrackedConnection] = {}

    def update_rules(self, rules: dict[str, list[CompiledRule]]) -> None:
        """Replace the rules, and end connections that the new rules do not allow."""
        if rules == self._rules:
            return
        self._rules = rules
        self._flows = {key: flow for key, flow in self._flows.items() if self._is_allowed(flow)}

    def accept(self, packet: Packet, direction: str) -> bool:
        """Return whether a packet may pass, `ingress` to the machine or `egress` from it; record a new connection."""
        if packet.quoted is not None:
            return self._is_open(_flow_key(packet.quoted, IN if direction == OUT else OUT))
        key, now = _flow_key(packet, direction), time.monotonic()
        flow = self._flows.get(key)
        if flow is not None and flow.expires > now:
            flow.expires = now + (TCP_TIMEOUT if packet.protocol == TCP else OTHER_TIMEOUT)
            return True
        if not packet.first:
            return False
        flow = TrackedConnection(
            direction, now + OTHER_TIMEOUT, packet.version, _rule_key(packet, direction), (packet.kind, packet.code)
        )
        if not self._is_allowed(flow):
            return False
        self._make_room(now)
        self._flows[key] = flow
        if packet.fragment:
            # Further fragments have no ports to match by.
            self._flows[(key[0], key[1], 0, key[3], 0)] = flow
        return True

    def _is_open(self, key: Key) -> bool:
        flow = self._flows.get(key)
        return flow is not None and flow.expires > time.monotonic()

    def _is_allowed(self, flow: TrackedConnection) -> bool:
        return any(rule.matches(flow.version, flow.rule_key, flow.message) for rule in self._rules[flow.direction])

    def _make_room(self, now: float) -> None:
        """Remove expired connections, and then the oldest, until there is room for one more."""
        if len(self._flows) >= FLOW_LIMIT:
            self._flows = {key: flow for key, flow in self._flows.items() if flow.expires > now}
        while len(self._flows) >= FLOW_LIMIT:
            del self._flows[next(iter(self._flows))]


def _flow_key(packet: Packet, direction: str) -> Key:
    """Return the key of a connection from the machine's side: protocol, local end, remote end."""
    if direction == OUT:
        return packet.protocol, packet.source, packet.sport, packet.target, packet.dport
    return packet.protocol, packet.target, packet.dport, packet.source, packet.sport


def _rule_key(packet: Packet, direction: str) -> Key:
    """Return what rules match a packet by: the remote address and the destination port."""
    remote = packet.target if direction == OUT else packet.source
    return packet.protocol, b"", 0, remote, packet.dport


def compile_rules_by_direction(
    rules: Iterable[NewRule], members: Mapping[str, GroupMembers]
) -> dict[str, list[CompiledRule]]:
    """Compile the rules of all groups of an interface, by direction."""
    compiled: dict[str, list[CompiledRule]] = {IN: [], OUT: []}
    for rule in rules:
        compiled[rule.direction].append(_compile_rule(rule, members))
    return compiled


def _compile_rule(rule: NewRule, members: Mapping[str, GroupMembers]) -> CompiledRule:
    version = {"IPv4": 4, "IPv6": 6}.get(rule.ethertype or "")
    networks: tuple[tuple[int, int], ...] = ()
    if rule.remote_ip_prefix:
        network = ip_network(rule.remote_ip_prefix)
        version = network.version
        networks = ((int(network.network_address), int(network.netmask)),)
    return CompiledRule(
        version,
        _protocol_number(rule.protocol, version),
        -1 if rule.port_range_min is None else rule.port_range_min,
        -1 if rule.port_range_max is None else rule.port_range_max,
        networks,
        members.get(rule.remote_group_id, GroupMembers()) if rule.remote_group_id else None,
    )


def _protocol_number(protocol: str | None, version: int | None) -> int | None:
    if protocol is None or protocol == "any":
        return None
    if protocol == "icmp" and version == 6:  # the version of IP
        return ICMPV6
    return int(protocol) if protocol.isdigit() else PROTOCOL_NUMBERS.get(protocol, 255)


def collect_members_by_group(wires: Iterable[tuple[list[str], list[str]]]) -> dict[str, GroupMembers]:
    """Return the members of each group, from the groups of every interface, and its addresses and ranges."""
    texts_by_group: dict[str, set[str]] = {}
    for groups, texts in wires:
        for group in groups:
            texts_by_group.setdefault(group, set()).update(texts)
    return {group: _members(texts) for group, texts in texts_by_group.items()}


def _members(texts: set[str]) -> GroupMembers:
    ranges = {text for text in texts if "/" in text}
    return GroupMembers(frozenset(map(pack_ip_address, texts - ranges)), frozenset(map(parse_address_range, ranges)))
