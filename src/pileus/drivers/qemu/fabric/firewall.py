"""The stateful firewall of an interface: security groups, which deny what no rule allows."""

import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from msgspec import Struct

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.qemu.fabric.frames import ICMP, ICMPV6, TCP, UDP, Packet, packed

NUMBERS = {"icmp": ICMP, "ipv6-icmp": ICMPV6, "icmpv6": ICMPV6, "tcp": TCP, "udp": UDP, "sctp": 132, "dccp": 33,
           "udplite": 136, "ah": 51, "esp": 50, "gre": 47, "igmp": 2, "egp": 8, "ospf": 89, "pgm": 113, "rsvp": 46,
           "vrrp": 112, "ipip": 4, "ipencap": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-nonxt": 59,
           "ipv6-opts": 60, "ipv6-route": 43}  # fmt: skip
"""Protocol numbers (IANA) by the names that rules use."""
MESSAGES = frozenset({ICMP, ICMPV6})
IN, OUT = "ingress", "egress"
LASTING, PASSING = 7200.0, 120.0
"""Seconds without a packet after which a connection ends: of TCP, and of other protocols."""
MOST = 32768
"""Connections that an interface may have."""
Key = tuple[int, bytes, int, bytes, int]


class Pattern(Struct, frozen=True):
    """A rule compiled for matching packets. A port of -1 matches any."""

    version: int | None
    protocol: int | None
    low: int
    high: int
    networks: tuple[tuple[int, int], ...]
    """Networks and masks as numbers; an empty tuple matches any address."""
    members: frozenset[bytes] | None

    def fits(self, version: int, key: Key, message: tuple[int, int]) -> bool:
        """Whether the rule matches, by the remote address, and the local port or the type and code of ICMP."""
        protocol, _, _, remote, _ = key
        if self.version not in (None, version) or self.protocol not in (None, protocol):
            return False
        if self.members is not None and remote not in self.members:
            return False
        number = int.from_bytes(remote, "big")
        return any(number & mask == network for network, mask in self.networks or ((0, 0),)) and self._at(key, message)

    def _at(self, key: Key, message: tuple[int, int]) -> bool:
        if self.protocol in MESSAGES:
            return (self.low < 0 or self.low == message[0]) and (self.high < 0 or self.high == message[1])
        return self.low < 0 or self.low <= key[4] <= self.high


class Flow(Struct):
    """An accepted connection: the direction of its first packet, when it expires, and what rules match it by."""

    direction: str
    until: float
    version: int
    judged: Key
    message: tuple[int, int]


class Guard:
    """The firewall of one interface."""

    def __init__(self) -> None:
        self._patterns: dict[str, list[Pattern]] = {IN: [], OUT: []}
        self._flows: dict[Key, Flow] = {}

    def learn(self, patterns: dict[str, list[Pattern]]) -> None:
        """Replace the rules, and end connections that the new rules do not allow."""
        if patterns == self._patterns:
            return
        self._patterns = patterns
        self._flows = {key: flow for key, flow in self._flows.items() if self._allowed(flow)}

    def passes(self, found: Packet, direction: str) -> bool:
        """Return whether a packet may pass, `ingress` to the machine or `egress` from it; record a new connection."""
        if found.about is not None:
            return self._known(_key(found.about, IN if direction == OUT else OUT))
        key, now = _key(found, direction), time.monotonic()
        flow = self._flows.get(key)
        if flow is not None and flow.until > now:
            flow.until = now + (LASTING if found.protocol == TCP else PASSING)
            return True
        if not found.first:
            return False
        flow = Flow(direction, now + PASSING, found.version, _judged(found, direction), (found.kind, found.code))
        if not self._allowed(flow):
            return False
        self._room(now)
        self._flows[key] = flow
        if found.fragment:
            # Further fragments have no ports to match by.
            self._flows[(key[0], key[1], 0, key[3], 0)] = flow
        return True

    def _known(self, key: Key) -> bool:
        flow = self._flows.get(key)
        return flow is not None and flow.until > time.monotonic()

    def _allowed(self, flow: Flow) -> bool:
        return any(each.fits(flow.version, flow.judged, flow.message) for each in self._patterns[flow.direction])

    def _room(self, now: float) -> None:
        """Remove expired connections, and then the oldest, until there is room for one more."""
        if len(self._flows) >= MOST:
            self._flows = {key: flow for key, flow in self._flows.items() if flow.until > now}
        while len(self._flows) >= MOST:
            del self._flows[next(iter(self._flows))]


def _key(found: Packet, direction: str) -> Key:
    """Return the key of a connection from the machine's side: protocol, local end, remote end."""
    if direction == OUT:
        return found.protocol, found.source, found.sport, found.target, found.dport
    return found.protocol, found.target, found.dport, found.source, found.sport


def _judged(found: Packet, direction: str) -> Key:
    """Return what rules match a packet by: the remote address and the destination port."""
    remote = found.target if direction == OUT else found.source
    return found.protocol, b"", 0, remote, found.dport


def patterns(rules: Iterable[NewRule], members: Mapping[str, frozenset[bytes]]) -> dict[str, list[Pattern]]:
    """Compile the rules of all groups of an interface, by direction; `members` are the addresses in each group."""
    found: dict[str, list[Pattern]] = {IN: [], OUT: []}
    for rule in rules:
        found[rule.direction].append(_pattern(rule, members))
    return found


def _pattern(rule: NewRule, members: Mapping[str, frozenset[bytes]]) -> Pattern:
    version = {"IPv4": 4, "IPv6": 6}.get(rule.ethertype or "")
    networks: tuple[tuple[int, int], ...] = ()
    if rule.remote_ip_prefix:
        network = ip_network(rule.remote_ip_prefix)
        version = network.version
        networks = ((int(network.network_address), int(network.netmask)),)
    return Pattern(
        version,
        _number(rule.protocol, version),
        -1 if rule.port_range_min is None else rule.port_range_min,
        -1 if rule.port_range_max is None else rule.port_range_max,
        networks,
        members.get(rule.remote_group_id, frozenset()) if rule.remote_group_id else None,
    )


def _number(protocol: str | None, version: int | None) -> int | None:
    if protocol is None or protocol == "any":
        return None
    if protocol == "icmp" and version == 6:  # the version of IP
        return ICMPV6
    return int(protocol) if protocol.isdigit() else NUMBERS.get(protocol, 255)


def members(wires: Iterable[tuple[list[str], list[str]]]) -> dict[str, frozenset[bytes]]:
    """Return the addresses in each group, from the groups and addresses of every interface."""
    found: dict[str, set[bytes]] = {}
    for groups, addresses in wires:
        for group in groups:
            found.setdefault(group, set()).update(map(packed, addresses))
    return {group: frozenset(its) for group, its in found.items()}
