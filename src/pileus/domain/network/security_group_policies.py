"""The operator's policy for security groups: prohibited egress ports, and the rules of new groups."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Annotated

from msgspec import Meta, Struct, field

from pileus.domain.errors import Invalid
from pileus.domain.network.security_rules import Direction, Ethertype, NewRule, PortNumber, Protocol

PROTOCOLS_WITH_PROHIBITED_PORTS = frozenset({"tcp", "udp", None})
"""Protocols whose rules can open a prohibited port; None is any protocol."""


class RuleTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules for every address: one for each ethertype, protocol and port range."""

    protocols: Annotated[list[Protocol], Meta(min_length=1)] = field(default_factory=lambda: ["any"])
    ethertypes: Annotated[list[Ethertype], Meta(min_length=1)] = field(default_factory=lambda: ["IPv4", "IPv6"])
    port_ranges: list[tuple[PortNumber, PortNumber]] = field(default_factory=list)

    def rules(self, direction: Direction) -> Iterator[NewRule]:
        """Yield the rules; without port ranges, they have no ports."""
        ranges: list[tuple[int | None, int | None]] = [*self.port_ranges] or [(None, None)]
        for ethertype, protocol, (low, high) in product(self.ethertypes, self.protocols, ranges):
            yield NewRule(
                direction=direction,
                ethertype=ethertype,
                protocol=None if protocol == "any" else protocol,
                port_range_min=low,
                port_range_max=high,
            )


DEFAULT_EGRESS_RULES = [
    RuleTemplate(
        protocols=["ah", "dccp", "egp", "esp", "gre", "igmp", "ospf", "pgm", "rsvp", "sctp", "udplite", "vrrp"]
    ),
    RuleTemplate(protocols=["tcp", "udp"], port_ranges=[(1, 24), (26, 65535)]),
    RuleTemplate(protocols=["icmp"], ethertypes=["IPv4"]),
    RuleTemplate(
        protocols=["ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route"], ethertypes=["IPv6"]
    ),
]
DEFAULT_GROUP_INGRESS_RULES = [
    RuleTemplate(protocols=["icmp"], ethertypes=["IPv4"]),
    RuleTemplate(protocols=["ipv6-icmp"], ethertypes=["IPv6"]),
    RuleTemplate(protocols=["tcp"], port_ranges=[(22, 22), (3389, 3389)]),
]


class SecurityGroupPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What rules may not open, and the rules of groups that are created without rules.

    Without a policy of the operator, it is that of the public API.
    """

    prohibited_egress_ports: list[PortNumber] = field(default_factory=lambda: [25])
    default_egress_rules: list[RuleTemplate] = field(default_factory=lambda: list(DEFAULT_EGRESS_RULES))
    default_group_ingress_rules: list[RuleTemplate] = field(default_factory=lambda: list(DEFAULT_GROUP_INGRESS_RULES))
    """Further rules of the default group of each project."""

    def default_rules(self, *, is_default_group: bool) -> list[NewRule]:
        """Return the rules of a group that is created without rules."""
        ingress = self.default_group_ingress_rules if is_default_group else []
        return [
            *(rule for template in ingress for rule in template.rules("ingress")),
            *(rule for template in self.default_egress_rules for rule in template.rules("egress")),
        ]

    def check_rules(self, rules: Iterable[NewRule]) -> None:
        """Raise Invalid if a rule opens a prohibited egress port, also by a range or by all ports."""
        for rule, port in product(rules, self.prohibited_egress_ports):
            if _opens_egress_port(rule, port):
                raise Invalid(
                    f"Opening egress port {port} for TCP or UDP traffic is prohibited. Please, contact support."
                )


def _opens_egress_port(rule: NewRule, port: int) -> bool:
    if rule.direction != "egress" or rule.protocol not in PROTOCOLS_WITH_PROHIBITED_PORTS:
        return False
    if rule.port_range_min is None or rule.port_range_max is None:
        return True
    return rule.port_range_min <= port <= rule.port_range_max
